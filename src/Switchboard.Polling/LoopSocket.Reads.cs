using System.Threading.Tasks.Sources;
using Switchboard.Linux;

namespace Switchboard.Polling;

public sealed partial class LoopSocket
{
    // The one pending read.
    private ManualResetValueTaskSourceCore<int> _read;
    private int _reading;
    private bool _readPending;
    private IReadWaiter? _waiter;
    private bool _readWantsContext;
    private Memory<byte> _readBuffer;
    private CancellationToken _readToken;
    private CancellationTokenRegistration _readRegistration;
    private bool _limitsReads;
    private bool _isTimed;
    private long _readStarted;

    // With edges: whether the last read may have left something, and whether only one that finds nothing can tell.
    private bool _mayRead;
    private bool _readsToTheEnd;
    private bool _isPromised;

    /// <summary>True while a read is pending, or its result has not been asked for. Any thread.</summary>
    internal bool IsReading => Volatile.Read(ref _reading) != 0;

    /// <summary>Reads what is there, waiting until there is something.</summary>
    /// <param name="buffer">Where the bytes go; an empty one means: wait until a read would not wait.</param>
    /// <param name="cancellation">Ends the wait; no byte is lost then and the socket stays usable.</param>
    /// <returns>The count, 0 at the end of input (and for an empty buffer).</returns>
    /// <exception cref="InvalidOperationException">A read is pending already.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation = default)
    {
        // A failure is told also to those who are told to stop by now: it came first.
        if (Volatile.Read(ref _fault) is { } fault)
        {
            return ValueTask.FromException<int>(fault);
        }
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellation);
        }
        if (Interlocked.Exchange(ref _reading, 1) != 0)
        {
            throw new InvalidOperationException("A read is pending on this connection. Await it before the next one: one read at a time.");
        }
        _read.Reset();
        _readBuffer = buffer;
        _readToken = cancellation;
        short version = _read.Version;
        if (_loop.IsCurrent)
        {
            StartRead();
        }
        else
        {
            _loop.Post(static self => ((LoopSocket)self!).StartRead(), this);
        }
        return new ValueTask<int>(this, version);
    }

    /// <summary>Has a waiter told, once, when a read would not wait: what <see cref="ReadAsync"/> with an empty buffer does,
    /// with nothing in between. Loop's thread only.</summary>
    /// <param name="waiter">Who is told.</param>
    /// <param name="cancellation">The owner's stop token, or none.</param>
    /// <returns>False if it does not simply come to waiting: then nothing has begun, and ReadAsync says what is the case.</returns>
    internal bool TryAwaitRead(IReadWaiter waiter, CancellationToken cancellation)
    {
        if (_mayRead || EndOfInput || _loop.HasEnded || cancellation.IsCancellationRequested
            || (cancellation.CanBeCanceled && cancellation != _stopToken)
            || !Want(Interest.Read) || _fault is not null || Interlocked.Exchange(ref _reading, 1) != 0)
        {
            return false;
        }
        _waiter = waiter;
        _readToken = cancellation;
        _readPending = true;
        LimitIdleTime();
        return true;
    }

    private void StartRead()
    {
        _readPending = true;
        if (_fault is null && _loop.HasEnded)
        {
            LeaveEndedLoop();
            return;
        }
        if (_fault is not null)
        {
            CompleteRead(0, _fault);
            return;
        }
        if (_readToken.IsCancellationRequested)
        {
            CompleteRead(0, new OperationCanceledException(_readToken));
            return;
        }
        // The owner's stop token needs no registration: CancelOwnerReads ends those reads.
        if (_readToken.CanBeCanceled && _readToken != _stopToken)
        {
            _readRegistration = _readToken.UnsafeRegister(static self => ((LoopSocket)self!).PostCancelRead(), this);
        }
        if (EndOfInput)
        {
            CompleteRead(0, null);
            return;
        }
        if (!Want(Interest.Read))
        {
            return;
        }
        if (_mayRead)
        {
            if (!_loop.Spend(0))
            {
                // The others have their turn first.
                _loop.Post(static self => ((LoopSocket)self!).ReceiveIfAwaited(), this);
            }
            else
            {
                Receive();
            }
            if (!_readPending)
            {
                return;
            }
        }
        LimitIdleTime();
    }

    private void LimitIdleTime()
    {
        if (_limitsReads)
        {
            _readStarted = Environment.TickCount64;
            // Known without a look at the timer, which has left the cache by now.
            if (!_isTimed)
            {
                ArmIdle();
            }
        }
    }

    private void PostCancelRead()
    {
        short version = _read.Version;
        _loop.Post(static state =>
        {
            (LoopSocket self, short version) = ((LoopSocket, short))state!;
            if (self._readPending && self._read.Version == version && self._readToken.IsCancellationRequested)
            {
                self.CompleteRead(0, new OperationCanceledException(self._readToken));
            }
        }, (this, version));
    }

    /// <summary>Ends a pending read that was given the owner's stop token. Loop's thread only.</summary>
    public void CancelOwnerReads()
    {
        if (_readPending && _readToken == _stopToken)
        {
            CompleteRead(0, new OperationCanceledException(_readToken));
        }
    }

    /// <summary>Ends a pending read; the socket stays usable. Loop's thread only.</summary>
    /// <param name="cause">What the read fails with.</param>
    public void EndRead(Exception cause)
    {
        if (_readPending)
        {
            CompleteRead(0, cause);
        }
    }

    private bool Edges => _key is { Trigger: Trigger.Edge };

    private void ReceiveIfAwaited()
    {
        if (_readPending)
        {
            Receive();
        }
    }

    private void Receive()
    {
        if (_readBuffer.IsEmpty)
        {
            CompleteRead(0, null);
            return;
        }
        CallResult result = ReceiveNow(_readBuffer.Span);
        if (result.Succeeded)
        {
            if (result.Value == 0 && EndIsAbort())
            {
                return;
            }
            Received += result.Value;
            EndOfInput = result.Value == 0;
            CompleteRead(result.Value, null);
        }
        else if (!result.WouldBlock)
        {
            Fault(_owner.OnError(SystemCallException.For("recv", result.Errno)));
        }
    }

    /// <summary>Reads what is there without waiting. Loop's thread only, with no read pending.</summary>
    /// <param name="buffer">Where the bytes go; not empty.</param>
    /// <returns>The count, 0 at the end of input, -1 if nothing is there now.</returns>
    public int TryRead(Span<byte> buffer)
    {
        if (_fault is not null)
        {
            throw _fault;
        }
        CallResult result = ReceiveNow(buffer);
        if (result.WouldBlock)
        {
            return -1;
        }
        if (!result.Succeeded)
        {
            Fault(_owner.OnError(SystemCallException.For("recv", result.Errno)));
            throw _fault!;
        }
        if (result.Value == 0 && EndIsAbort())
        {
            throw _fault!;
        }
        Received += result.Value;
        EndOfInput = result.Value == 0;
        return result.Value;
    }

    private CallResult ReceiveNow(Span<byte> buffer)
    {
        CallResult result = SocketCalls.Receive(_descriptor, buffer, SocketCallFlags.DontWait);
        if (!Edges)
        {
            return result;
        }
        _mayRead = !result.WouldBlock && (_readsToTheEnd || result.Value == buffer.Length);
        if (result.WouldBlock)
        {
            _readsToTheEnd = false;
            if (_isPromised)
            {
                // Something was said to be there. No other event would come for it, so the kernel is made to look again.
                Watch(_key!, _key!.Interest);
            }
        }
        else if (result.Succeeded)
        {
            // The next read may not wait for a turn: StartRead asks whether enough is left of this one.
            _loop.Spend(result.Value);
        }
        _isPromised = false;
        return result;
    }

    private void CompleteRead(int count, Exception? exception)
    {
        _readPending = false;
        if (_waiter is { } waiter)
        {
            _waiter = null;
            Volatile.Write(ref _reading, 0);
            waiter.OnReadable(exception);
            return;
        }
        _readBuffer = default;
        if (_readToken.CanBeCanceled)
        {
            // Unregister, not Dispose: a callback that runs now finds another version and does nothing.
            _readRegistration.Unregister();
            _readRegistration = default;
        }
        CompletionScope scope = CompletionScope.Enter(_readWantsContext);
        if (exception is null)
        {
            _read.SetResult(count);
        }
        else
        {
            _read.SetException(exception);
        }
        scope.Leave();
    }

    int IValueTaskSource<int>.GetResult(short token)
    {
        if (_read.GetStatus(token) == ValueTaskSourceStatus.Pending)
        {
            _loop.WaitInline(static self => ((LoopSocket)self!)._read.GetStatus(((LoopSocket)self)._read.Version) != ValueTaskSourceStatus.Pending, this);
        }
        try
        {
            return _read.GetResult(token);
        }
        finally
        {
            Volatile.Write(ref _reading, 0);
        }
    }

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _read.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        _readWantsContext = CompletionScope.WantsContext(_loop, ref flags);
        // Code of another thread goes on elsewhere: here it could hold up the loop.
        _read.RunContinuationsAsynchronously = !_loop.IsCurrent;
        _read.OnCompleted(continuation, state, token, flags);
    }
}

/// <summary>Waits until a <see cref="LoopSocket"/> can be read.</summary>
internal interface IReadWaiter
{
    /// <summary>Called once, on the loop's thread. Must not throw.</summary>
    /// <param name="failure">Why the wait ended otherwise; null if a read would not wait.</param>
    void OnReadable(Exception? failure);
}
