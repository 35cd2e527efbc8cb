using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

// The end of a server: asked for or forced, drained, and told once.
public abstract partial class SocketServer<TRequest>
{
    private static readonly TimeSpan _unwind = TimeSpan.FromSeconds(2);

    private readonly TaskCompletionSource _othersEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Exception? _failure;

    private void Fail(Exception exception)
    {
        Log.Failed(Logger, Name, exception);
        _failure ??= exception;
        _ = StopAsync(null);
    }

    private void Forget(ServedCall call)
    {
        lock (_calls)
        {
            _calls.Remove(call);
            if (_isStopping)
            {
                CheckEnded();
            }
        }
        if (_isPaused)
        {
            // A descriptor is free again.
            _loop.Post(static self => ((SocketServer<TRequest>)self!).EndPause(), this);
        }
    }

    /// <summary>Under the gate of the calls.</summary>
    private void CheckEnded()
    {
        if (_calls.All(static call => call.AwaitsStop))
        {
            _othersEnded.TrySetResult();
        }
        if (_calls.Count == 0)
        {
            _loop.Stop();
        }
    }

    /// <inheritdoc/>
    public sealed override Task StopAsync(TimeSpan? grace)
    {
        TimeSpan time = grace ?? Options.Grace;
        // The call's own thread asks: it must not wait for itself.
        bool fromHandler = Call.Current is ServedCall own && own.Server == this;
        lock (_calls)
        {
            if (fromHandler)
            {
                ((ServedCall)Call.Current!).AwaitsStop = true;
                if (_isStopping)
                {
                    CheckEnded();
                }
            }
        }
        BeginStop();
        return DrainAsync(time, fromHandler);
    }

    private void BeginStop()
    {
        lock (_stateGate)
        {
            if (_isStopping)
            {
                return;
            }
            _isStopping = true;
            if (_thread is null)
            {
                CloseListener();
                SocketHandle?.Dispose();
                _loop.Dispose();
                _othersEnded.TrySetResult();
                _completion.TrySetResult();
                _stopping.Cancel();
                _model.Close();
                return;
            }
        }
        Log.Stopping(Logger, Name, OpenCalls);
        _loop.Post(static self => ((SocketServer<TRequest>)self!).StopOnLoop(), this);
        try
        {
            _stopping.Cancel();
        }
        catch (AggregateException exception)
        {
            OnUnhandled(exception);
        }
        foreach (TRequest request in Served)
        {
            TellStop(request);
        }
        _model.Close();
    }

    private void StopOnLoop()
    {
        CloseListener();
        _pauseTimer?.Disarm();
        _serviceTimer?.Disarm();
        if (Interlocked.Exchange(ref _held, null) is { } held)
        {
            Discard(held, ConnectionEndReason.Stopped);
        }
        if (_oneRequest is { } one)
        {
            EndOne(one, () => one.Source.TrySetException(new InvalidOperationException("The server was stopped before a request came.")));
        }
        lock (_calls)
        {
            if (!_model.JoinsOnClose && _model is not SequentialModel)
            {
                _othersEnded.TrySetResult();
                _loop.Stop();
            }
            CheckEnded();
        }
    }

    private void CloseListener()
    {
        if (_key is { IsRegistered: true } key)
        {
            _loop.Unregister(key);
        }
        if (SocketHandle is not { IsClosed: false } handle)
        {
            return;
        }
        // Before the socket: once nobody answers, another server may put its own file there.
        if (_socketFile is { } mine && BoundSocket.FileOf(LocalEndPoint) is { } path && FileCalls.Identify(path) == mine)
        {
            _socketFile = null;
            try
            {
                File.Delete(path);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                Log.FileLeft(Logger, Name, exception.Message);
            }
        }
        CloseSocket(handle);
    }

    /// <summary>Closes the server's socket; a datagram server keeps it until its calls have ended.</summary>
    private protected virtual void CloseSocket(DescriptorHandle handle) => handle.Dispose();

    private async Task DrainAsync(TimeSpan grace, bool fromHandler)
    {
        Task ended = fromHandler ? _othersEnded.Task : _completion.Task;
        if (await EndsWithinAsync(ended, grace).ConfigureAwait(false))
        {
            await ended.ConfigureAwait(false);
            return;
        }
        TRequest[] left = Served;
        Log.Cut(Logger, Name, left.Length, grace);
        foreach (TRequest request in left)
        {
            Cut(request);
        }
        if (!await EndsWithinAsync(ended, _unwind).ConfigureAwait(false))
        {
            // .NET can't end a thread: these go on in the background, without their connection.
            Log.StillRunning(Logger, Name, OpenCalls);
            _othersEnded.TrySetResult();
            _loop.Stop();
            if (_model is SequentialModel)
            {
                // The handler that does not end holds the server's own thread.
                SocketHandle?.Dispose();
                _completion.TrySetResult();
            }
        }
        await ended.ConfigureAwait(false);
    }

    private static async Task<bool> EndsWithinAsync(Task task, TimeSpan time)
    {
        if (task.IsCompleted)
        {
            return true;
        }
        using var timer = new CancellationTokenSource();
        Task first = await Task.WhenAny(task, Task.Delay(time, timer.Token)).ConfigureAwait(false);
        await timer.CancelAsync().ConfigureAwait(false);
        return first == task;
    }
}
