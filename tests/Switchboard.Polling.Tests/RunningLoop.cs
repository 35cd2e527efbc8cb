namespace Switchboard.Polling.Tests;

/// <summary>A loop on a thread of its own. What leaves it is kept for the test to look at.</summary>
internal sealed class RunningLoop : IDisposable
{
    private readonly Thread _thread;

    internal RunningLoop(string selector = "poll")
    {
        Loop = new EventLoop(EverySelectorAttribute.Make(selector));
        _thread = new Thread(() => Failure = Record.Exception(Loop.Run)) { Name = "loop under test", IsBackground = true };
        _thread.Start();
    }

    internal EventLoop Loop { get; }

    /// <summary>What left <see cref="EventLoop.Run()"/>; to be read after <see cref="WaitForEnd"/>.</summary>
    internal Exception? Failure { get; private set; }

    internal int ThreadId => _thread.ManagedThreadId;

    internal void Post(Action action) => Loop.Post(static state => ((Action)state!)(), action);

    /// <summary>Runs something on the loop's thread.</summary>
    /// <returns>Its result, or what it threw.</returns>
    internal Task<T> DoAsync<T>(Func<T> function)
    {
        var source = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(() =>
        {
            try
            {
                source.SetResult(function());
            }
            catch (Exception exception)
            {
                source.SetException(exception);
            }
        });
        return source.Task.WaitAsync(Waits.Patience);
    }

    /// <summary>Starts an async method on the loop's thread.</summary>
    internal Task<T> StartAsync<T>(Func<Task<T>> method) => DoAsync(method).Unwrap().WaitAsync(Waits.Patience);

    internal void WaitForEnd() => _thread.JoinOrFail();

    public void Dispose()
    {
        Loop.Stop();
        WaitForEnd();
        Loop.Dispose();
    }
}
