using System.Runtime.InteropServices;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

// The end of a server: asked for or forced, drained, and told once.
public abstract partial class SocketServer<TRequest>
{
    private static readonly TimeSpan _unwind = TimeSpan.FromSeconds(2);

    private readonly TaskCompletionSource _othersEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Exception? _failure;
    private int _askedOnLoops;
    private long _cut;

    /// <summary>How many requests were ended because they still ran after the grace.</summary>
    private protected long CutCalls => Interlocked.Read(ref _cut);

    private void Fail(Exception exception)
    {
        Log.Failed(Logger, Name, exception);
        _failure ??= exception;
        StopItself();
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
        foreach (Acceptor acceptor in _acceptors)
        {
            if (acceptor.IsPaused)
            {
                // A descriptor is free again.
                acceptor.Loop.Post(static self => ((Acceptor)self!).EndPause(), acceptor);
            }
        }
    }

    /// <summary>Under the gate of the calls.</summary>
    private void CheckEnded()
    {
        if (Volatile.Read(ref _acceptingLeft) > 0)
        {
            // A loop may be taking a caller in at this moment.
            return;
        }
        if (_calls.Count(static call => !call.AwaitsStop) <= _askedOnLoops)
        {
            _othersEnded.TrySetResult();
        }
        if (_calls.Count == 0)
        {
            StopLoops();
        }
    }

    private void StopLoops()
    {
        if (_sharedLoops is not null)
        {
            LeaveLoops();
            return;
        }
        foreach (Acceptor acceptor in _acceptors)
        {
            acceptor.Loop.Stop();
        }
    }

    /// <summary>Ends without the loops, which others share; the last one ends them. May hold the gate of the calls.</summary>
    private void LeaveLoops()
    {
        if (Interlocked.Exchange(ref _loopsLeft, 0) > 0)
        {
            _acceptors[0].Loop.Post(_ =>
            {
                Ended();
                _sharedLoops!.Leave(this);
            }, null);
        }
    }

    /// <inheritdoc/>
    public sealed override Task StopAsync(TimeSpan? grace)
    {
        TimeSpan time = grace ?? Options.Grace;
        // A call of the server's asks: the stop must not wait for it.
        var own = Call.Current as ServedCall;
        bool fromHandler = own?.Server == this || (_model.SharesLoops && _model.Loops.Any(static loop => loop.IsCurrent));
        if (fromHandler)
        {
            lock (_calls)
            {
                if (own is not null)
                {
                    own.AwaitsStop = true;
                }
                else
                {
                    // Which of the loop's calls it is, nobody knows.
                    _askedOnLoops++;
                }
                if (_isStopping)
                {
                    CheckEnded();
                }
            }
        }
        BeginStop();
        if (!fromHandler)
        {
            return DrainAsync(time, _completion.Task);
        }
        // The call that asks may overstay too; it is ended after the others.
        _ = DrainAsync(time == Timeout.InfiniteTimeSpan ? time : time + (2 * _unwind), _completion.Task);
        return DrainAsync(time, _othersEnded.Task);
    }

    /// <summary>Stops as <see cref="StopAsync"/> does, asked by the server's own code.</summary>
    private void StopItself()
    {
        BeginStop();
        _ = DrainAsync(Options.Grace, _completion.Task);
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
            if (!_hasThreads)
            {
                CloseListener();
                SocketHandle?.Dispose();
                if (_sharedLoops is null)
                {
                    foreach (EventLoop loop in _model.Loops)
                    {
                        loop.Dispose();
                    }
                }
                _othersEnded.TrySetResult();
                _completion.TrySetResult();
                _stopping.Cancel();
                _model.Close();
                _sharedLoops?.Leave(this);
                _sharedLoops?.TellStop();
                return;
            }
        }
        Log.Stopping(Logger, Name, OpenCalls);
        foreach (Acceptor acceptor in _acceptors)
        {
            acceptor.Loop.Post(_ => StopAccepting(acceptor), null);
        }
        try
        {
            _stopping.Cancel();
            _sharedLoops?.TellStop();
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

    /// <summary>Takes no more callers on a loop; the last one closes the listener. On the loop's thread.</summary>
    private void StopAccepting(Acceptor acceptor)
    {
        if (acceptor.HasStopped)
        {
            return;
        }
        acceptor.Stop();
        if (acceptor == _acceptors[0])
        {
            _serviceTimer?.Disarm();
            if (_oneRequest is { } one)
            {
                EndOne(one, () => one.Source.TrySetException(new InvalidOperationException("The server was stopped before a request came.")));
            }
        }
        if (Interlocked.Decrement(ref _acceptingLeft) > 0)
        {
            return;
        }
        CloseListener();
        lock (_calls)
        {
            if (!_model.JoinsOnClose)
            {
                _othersEnded.TrySetResult();
                StopLoops();
            }
            CheckEnded();
        }
    }

    private void CloseListener()
    {
        lock (_stateGate)
        {
            CloseListenerOnce();
        }
    }

    private void CloseListenerOnce()
    {
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
    private protected virtual void CloseSocket(SafeHandle handle) => handle.Dispose();

    private async Task DrainAsync(TimeSpan grace, Task ended)
    {
        if (await EndsWithinAsync(ended, grace).ConfigureAwait(false))
        {
            await ended.ConfigureAwait(false);
            return;
        }
        TRequest[] left = Served;
        Interlocked.Add(ref _cut, left.Length);
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
            StopLoops();
            if (_model.RunsOnLoops)
            {
                // A handler that does not end may hold a thread of the server's own.
                CloseListener();
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
