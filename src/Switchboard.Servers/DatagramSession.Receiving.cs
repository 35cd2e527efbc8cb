using System.Diagnostics;
using System.Threading.Tasks.Sources;
using Switchboard.Polling;

namespace Switchboard.Servers;

// What goes from the loop that receives to the handler that waits, on another thread perhaps.
public sealed partial class DatagramSession : IValueTaskSource<Datagram?>
{
    // Where the handler runs; there receives complete.
    private SynchronizationContext? _context;
    private EventLoop? _loop;

    // The one pending receive.
    private ManualResetValueTaskSourceCore<Datagram?> _receive;
    private CancellationToken _token;
    private CancellationTokenRegistration _registration;
    private int _receiving;
    private bool _isAwaited;
    private bool _isWoken;
    private bool _wantsContext;

    private bool IsCurrent => _loop is not null ? _loop.IsCurrent : _context is CallContext { IsCurrent: true };

    /// <summary>Receives the next datagram, waiting until there is one.</summary>
    /// <param name="cancellation">Ends the wait; no datagram is lost then. The handler's own token costs nothing extra.</param>
    /// <returns>The datagram; null when the session has ended (<see cref="EndReason"/>) and all that waited was received.</returns>
    /// <exception cref="InvalidOperationException">A receive is pending already, or the handler does not run yet.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public ValueTask<Datagram?> ReceiveAsync(CancellationToken cancellation = default)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<Datagram?>(cancellation);
        }
        if (_context is null)
        {
            throw new InvalidOperationException("The session's handler does not run yet, and only then is there a place where a receive can complete. Receive in the handler.");
        }
        if (Interlocked.Exchange(ref _receiving, 1) != 0)
        {
            throw new InvalidOperationException("A receive is pending on this session. Await it before the next one: one receive at a time.");
        }
        short version;
        lock (_gate)
        {
            // A handler whose peer never pauses lets the others of its loop have their turn.
            bool hasTurn = Spend();
            if (hasTurn && TryTake(out Datagram? datagram))
            {
                Volatile.Write(ref _receiving, 0);
                return new ValueTask<Datagram?>(datagram);
            }
            _receive.Reset();
            _wantsContext = true;
            version = _receive.Version;
            _token = cancellation;
            _isAwaited = true;
            _isWoken = false;
            if (!hasTurn)
            {
                Wake();
            }
        }
        if (cancellation.CanBeCanceled && cancellation != Stopping)
        {
            // A callback that comes late finds another receive, whose token was not cancelled.
            CancellationTokenRegistration registration = cancellation.UnsafeRegister(static self => ((DatagramSession)self!).WakeFromOutside(), this);
            lock (_gate)
            {
                if (_isAwaited && _receive.Version == version)
                {
                    _registration = registration;
                    return new ValueTask<Datagram?>(this, version);
                }
            }
            registration.Unregister();
        }
        return new ValueTask<Datagram?>(this, version);
    }

    /// <summary>Gives the session its place, before its handler runs; there.</summary>
    internal void Attach(EventLoop? loop)
    {
        _loop = loop;
        _context = loop?.Context ?? CallContext.OfThisPiece;
    }

    /// <summary>Takes a datagram for the handler. False if the session has ended. On the loop that receives.</summary>
    internal bool TryDeliver(Datagram datagram)
    {
        lock (_gate)
        {
            if (_end is not null)
            {
                return false;
            }
            _lastReceived = Stopwatch.GetTimestamp();
            _received++;
            if (_queue.Count < Server.Options.Sessions.Queue)
            {
                _queue.Enqueue(datagram);
                Wake();
                return true;
            }
            _dropped++;
        }
        Server.TellOverflow(this);
        return true;
    }

    /// <summary>Has a receive that waits looked at, in its place. Under the gate.</summary>
    private void Wake()
    {
        if (_isAwaited && !_isWoken)
        {
            _isWoken = true;
            _context!.Post(static self => ((DatagramSession)self!).Complete(), this);
        }
    }

    private void WakeFromOutside()
    {
        lock (_gate)
        {
            Wake();
        }
    }

    private bool Spend() =>
        _loop is { IsCurrent: true } ? _loop.Spend(0) : _context is not CallContext { IsCurrent: true } context || context.Spend(0);

    /// <summary>What a receive gives, if it need not wait. Under the gate.</summary>
    private bool TryTake(out Datagram? datagram) => _queue.TryDequeue(out datagram) || _end is not null;

    private void Complete()
    {
        Datagram? datagram = null;
        bool isCancelled;
        CancellationToken token;
        CancellationTokenRegistration registration;
        lock (_gate)
        {
            _isWoken = false;
            isCancelled = _token.IsCancellationRequested;
            if (!_isAwaited || (!isCancelled && !TryTake(out datagram)))
            {
                return;
            }
            _isAwaited = false;
            token = _token;
            registration = _registration;
            _registration = default;
        }
        registration.Unregister();
        CompletionScope scope = CompletionScope.Enter(_wantsContext);
        if (isCancelled)
        {
            _receive.SetException(new OperationCanceledException(token));
        }
        else
        {
            _receive.SetResult(datagram);
        }
        scope.Leave();
    }

    Datagram? IValueTaskSource<Datagram?>.GetResult(short token)
    {
        if (_receive.GetStatus(token) == ValueTaskSourceStatus.Pending)
        {
            if (_loop is null)
            {
                throw TaskTransport.MustAwait("await");
            }
            _loop.WaitInline(static self => ((DatagramSession)self!)._receive.GetStatus(((DatagramSession)self)._receive.Version) != ValueTaskSourceStatus.Pending, this);
        }
        try
        {
            return _receive.GetResult(token);
        }
        finally
        {
            Volatile.Write(ref _receiving, 0);
        }
    }

    ValueTaskSourceStatus IValueTaskSource<Datagram?>.GetStatus(short token) => _receive.GetStatus(token);

    void IValueTaskSource<Datagram?>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        _wantsContext = CompletionScope.WantsContext(_context!, ref flags);
        // Code of another thread goes on elsewhere: here it could hold up the handler.
        _receive.RunContinuationsAsynchronously = !IsCurrent;
        _receive.OnCompleted(continuation, state, token, flags);
    }
}
