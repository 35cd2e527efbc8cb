using System.Diagnostics;

namespace Switchboard.Servers;

public abstract partial class SocketServer<TRequest>
{
    /// <inheritdoc/>
    public override async Task<TimeSpan> MeasureResponseAsync(CancellationToken cancellation = default)
    {
        long began = Stopwatch.GetTimestamp();
        Task[] answers = [.. _acceptors.Select(static acceptor =>
        {
            var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            acceptor.Loop.Post(static source => ((TaskCompletionSource)source!).TrySetResult(), answered);
            return answered.Task;
        })];
        await Task.WhenAll(answers).WaitAsync(cancellation).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(began);
    }
}
