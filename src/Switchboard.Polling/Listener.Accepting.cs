using Switchboard.Linux;

namespace Switchboard.Polling;

// Accepting on a loop.
public sealed partial class Listener
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(100);

    private readonly List<Acceptor> _acceptors = [];
    private bool _disposed;

    /// <summary>Takes the next caller, waiting until there is one. Any thread may call it, several times at once, and for
    /// several loops. Of the errors of <c>accept(2)</c>, lost callers are passed over, and a shortage of descriptors or
    /// memory is waited out, a tenth of a second at a time (<see cref="AcceptErrors"/>).</summary>
    /// <param name="loop">The loop that waits, and that the caller's socket belongs to.</param>
    /// <param name="cancellation">Ends the wait; no caller is lost then.</param>
    /// <returns>The caller's socket, without limits of time; whoever awaits this disposes it.</returns>
    /// <exception cref="SystemCallException">The listener does not listen (EINVAL), or can't go on for another reason.</exception>
    /// <exception cref="ObjectDisposedException">The listener was disposed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled, or the loop has ended.</exception>
    public Task<LoopSocket> AcceptAsync(EventLoop loop, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(loop);
        if (cancellation.IsCancellationRequested)
        {
            return Task.FromCanceled<LoopSocket>(cancellation);
        }
        var wait = new AcceptWait(AcceptorOf(loop), loop, cancellation);
        if (loop.IsCurrent)
        {
            wait.Acceptor.Begin(wait);
        }
        else
        {
            loop.Post(static state => ((AcceptWait)state!).Acceptor.Begin((AcceptWait)state), wait);
        }
        return wait.Task;
    }

    private Acceptor AcceptorOf(EventLoop loop)
    {
        lock (_acceptors)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            Acceptor? acceptor = _acceptors.Find(one => one.Loop == loop);
            if (acceptor is null)
            {
                _acceptors.Add(acceptor = new Acceptor(this, loop));
            }
            return acceptor;
        }
    }

    /// <summary>Ends what waits, each on its loop; the descriptor stays open until the last of them has left it.</summary>
    private void EndAccepting()
    {
        Acceptor[] acceptors;
        lock (_acceptors)
        {
            _disposed = true;
            acceptors = [.. _acceptors];
        }
        foreach (Acceptor acceptor in acceptors)
        {
            if (acceptor.Loop.RunsElsewhere)
            {
                acceptor.Loop.Post(static state => ((Acceptor)state!).EndByDispose(), acceptor);
            }
            else
            {
                acceptor.EndByDispose();
            }
        }
    }

    /// <summary>What waits for callers on one loop. All members belong to the loop's thread.</summary>
    private sealed class Acceptor(Listener listener, EventLoop loop) : IReadyHandler, ILoopWaiter
    {
        private readonly Queue<AcceptWait> _waiting = new();
        private SelectorKey? _key;
        private LoopTimer? _pauseTimer;
        private Exception? _end;
        private bool _isHeld;

        internal EventLoop Loop => loop;

        internal void Begin(AcceptWait wait)
        {
            if (_end is not null || !TryWatch())
            {
                wait.Complete(null, _end);
                return;
            }
            wait.Register();
            _waiting.Enqueue(wait);
        }

        // Those that wait now get a caller each. One that comes back for the next waits for the loop's next turn.
        public void OnReady(Readiness ready)
        {
            for (int left = _waiting.Count; left > 0 && _end is null && _waiting.TryPeek(out AcceptWait? wait); left--)
            {
                if (wait.IsOver)
                {
                    _waiting.Dequeue();
                    continue;
                }
                NativeAddress peer = default;
                CallResult result = listener.Accept(ref peer);
                if (result.Succeeded)
                {
                    _waiting.Dequeue();
                    wait.Complete(new LoopSocket(loop, new DescriptorHandle(result.Value)), null);
                }
                else if (!GoOnAfter(result.Errno))
                {
                    return;
                }
            }
            if (_waiting.Count == 0 && _key is { IsRegistered: true } key)
            {
                loop.Modify(key, Interest.None);
            }
        }

        internal void ForgetCompleted()
        {
            while (_waiting.TryPeek(out AcceptWait? wait) && wait.IsOver)
            {
                _waiting.Dequeue();
            }
        }

        internal void EndByDispose() => End(new ObjectDisposedException(nameof(Listener), "The listener was closed."));

        void ILoopWaiter.OnLoopEnded() => End(EventLoop.Ended());

        private bool GoOnAfter(Errno error)
        {
            switch (AcceptErrors.PolicyFor(error))
            {
                case AcceptPolicy.Retry:
                    return error != Errno.Again;
                case AcceptPolicy.Pause:
                    loop.Modify(_key!, Interest.None);
                    _pauseTimer ??= new LoopTimer(loop, static self => ((Acceptor)self!).TryWatch(), this);
                    _pauseTimer.Arm(_pause);
                    return false;
                default:
                    End(SystemCallException.For("accept4", error, $"listener {listener.Handle.Number}"));
                    return false;
            }
        }

        private bool TryWatch()
        {
            if (_pauseTimer is { IsArmed: true })
            {
                return true;
            }
            try
            {
                loop.ThrowIfEnded();
                if (_key is null)
                {
                    // Nobody else gets the number while it is watched here.
                    listener.Handle.DangerousAddRef(ref _isHeld);
                    _key = loop.Register(listener.Handle.Number, Interest.Read, this);
                }
                else
                {
                    loop.Modify(_key, Interest.Read);
                }
                return true;
            }
            catch (Exception exception)
            {
                End(exception);
                return false;
            }
        }

        private void End(Exception cause)
        {
            if (_end is not null)
            {
                return;
            }
            _end = cause;
            _pauseTimer?.Disarm();
            if (_key is { IsRegistered: true } key)
            {
                loop.Unregister(key);
            }
            if (_isHeld)
            {
                listener.Handle.DangerousRelease();
            }
            lock (listener._acceptors)
            {
                listener._acceptors.Remove(this);
            }
            while (_waiting.TryDequeue(out AcceptWait? wait))
            {
                wait.Complete(null, cause);
            }
        }
    }

    private sealed class AcceptWait(Acceptor acceptor, EventLoop loop, CancellationToken cancellation)
    {
        private readonly TaskCompletionSource<LoopSocket> _source = new(loop.IsCurrent ? TaskCreationOptions.None : TaskCreationOptions.RunContinuationsAsynchronously);
        private CancellationTokenRegistration _registration;
        private bool _isCompleted;

        internal Acceptor Acceptor => acceptor;

        internal Task<LoopSocket> Task => _source.Task;

        /// <summary>True if it is completed, or is about to be because of its token.</summary>
        internal bool IsOver => _isCompleted || cancellation.IsCancellationRequested;

        internal void Register()
        {
            if (cancellation.CanBeCanceled)
            {
                _registration = cancellation.UnsafeRegister(static self =>
                    ((AcceptWait)self!).Acceptor.Loop.Post(static inner => ((AcceptWait)inner!).Cancel(), self), this);
            }
        }

        internal void Complete(LoopSocket? socket, Exception? exception)
        {
            if (_isCompleted)
            {
                return;
            }
            _isCompleted = true;
            _registration.Unregister();
            if (exception is null)
            {
                _source.TrySetResult(socket!);
            }
            else
            {
                _source.TrySetException(exception);
            }
        }

        private void Cancel()
        {
            if (!_isCompleted)
            {
                _isCompleted = true;
                acceptor.ForgetCompleted();
                _source.TrySetCanceled(cancellation);
            }
        }
    }
}
