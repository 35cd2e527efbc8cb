using System.Threading.Tasks.Sources;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>
/// A connected stream socket on an <see cref="EventLoop"/>: reads and writes that suspend until the kernel has something,
/// with no allocation in steady state. It owns its descriptor.
/// </summary>
/// <remarks>
/// All members may be called from any thread unless they say otherwise; from the loop's own thread they are direct, from
/// others the work is posted to the loop. One read at a time; writes go out whole, in the order of the calls. An await
/// that began on the loop comes back to it. Source of the behaviour: <c>recv(2)</c>, <c>send(2)</c>, <c>shutdown(2)</c>.
/// </remarks>
public sealed partial class LoopSocket : IReadyHandler, IValueTaskSource<int>, IDisposable
{
    // The clock of the stamps is cheap and moves in steps of up to this many milliseconds; no limit may fire early.
    private const long CoarseClockStep = 10;

    private readonly EventLoop _loop;
    private readonly DescriptorHandle _handle;
    private readonly ILoopSocketOwner _owner;
    private readonly int _descriptor;
    private SelectorKey? _key;
    private Exception? _fault;
    private Exception? _abortCause;
    private bool _disposed;

    // The one pending read.
    private ManualResetValueTaskSourceCore<int> _read;
    private int _reading;
    private bool _readPending;
    private bool _readWantsContext;
    private Memory<byte> _readBuffer;
    private CancellationToken _readToken;
    private CancellationTokenRegistration _readRegistration;
    private LoopTimer? _idleTimer;
    private long _readStarted;

    // With edges: whether the last read may have left something, and whether only one that finds nothing can tell.
    private bool _mayRead;
    private bool _readsToTheEnd;
    private bool _isPromised;

    /// <summary>Takes a connected socket.</summary>
    /// <param name="loop">The loop that it belongs to from now on.</param>
    /// <param name="handle">The socket, blocking or not; disposed with this object.</param>
    /// <param name="owner">Names the exceptions of limits and errors, and gives the limits.</param>
    public LoopSocket(EventLoop loop, DescriptorHandle handle, ILoopSocketOwner owner)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentNullException.ThrowIfNull(handle);
        ArgumentNullException.ThrowIfNull(owner);
        _loop = loop;
        _handle = handle;
        _owner = owner;
        _descriptor = handle.Number;
    }

    /// <summary>The loop that it belongs to.</summary>
    public EventLoop Loop => _loop;

    /// <summary>Who names its exceptions and gives its limits.</summary>
    public ILoopSocketOwner Owner => _owner;

    /// <summary>True for a TCP socket. The loop is then told of changes only (EPOLLET), where it can be: that spares the
    /// kernel a second look at each socket, and keeps the callers in their order. It takes the promise, which only TCP
    /// gives, that a read of fewer bytes than asked for has emptied the socket (<c>epoll(7)</c>).</summary>
    public bool IsTcp { get; init; }

    /// <summary>The socket's descriptor; valid until this object is disposed.</summary>
    public DescriptorHandle Handle => _handle;

    /// <summary>Bytes received so far.</summary>
    public long Received { get; private set; }

    /// <summary>Bytes handed to the kernel so far.</summary>
    public long Sent { get; private set; }

    /// <summary>True once the peer has ended its direction.</summary>
    public bool EndOfInput { get; private set; }

    /// <summary>Reads what is there, waiting until there is something.</summary>
    /// <param name="buffer">Where the bytes go; an empty one means: wait until a read would not wait.</param>
    /// <param name="cancellation">Ends the wait; no byte is lost then and the socket stays usable.</param>
    /// <returns>The count, 0 at the end of input (and for an empty buffer).</returns>
    /// <exception cref="InvalidOperationException">A read is pending already.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation = default)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellation);
        }
        if (Volatile.Read(ref _fault) is { } fault)
        {
            return ValueTask.FromException<int>(fault);
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
        if (_readToken.CanBeCanceled && _readToken != _owner.StopToken)
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
        TimeSpan limit = _owner.IdleLimit;
        if (limit != Timeout.InfiniteTimeSpan)
        {
            _readStarted = Environment.TickCount64;
            _idleTimer ??= new LoopTimer(_loop, static self => ((LoopSocket)self!).CheckIdle(), this);
            if (!_idleTimer.IsArmed)
            {
                _idleTimer.Arm(limit);
            }
        }
    }

    /// <summary>The timer is armed once and looks at the stamp when it fires, so that a read costs a stamp only.</summary>
    private void CheckIdle()
    {
        if (!_readPending)
        {
            return;
        }
        TimeSpan limit = _owner.IdleLimit;
        TimeSpan left = limit - TimeSpan.FromMilliseconds(Environment.TickCount64 - _readStarted - CoarseClockStep);
        if (left > TimeSpan.Zero)
        {
            _idleTimer!.Arm(left);
            return;
        }
        Fault(_owner.OnIdle(limit));
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
        if (_readPending && _readToken == _owner.StopToken)
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

    void IReadyHandler.OnReady(Readiness ready)
    {
        if ((ready & ~Readiness.Writable) != 0)
        {
            if (Edges)
            {
                _mayRead = true;
                _isPromised = true;
                // An end, an error or urgent data: a short read does not mean that nothing is left.
                _readsToTheEnd |= (ready & ~(Readiness.Readable | Readiness.Writable)) != 0;
                ReceiveIfAwaited();
            }
            else if (_readPending)
            {
                Receive();
            }
            else
            {
                // Nobody reads: stop watching, or a level-triggered selector would report it without end.
                Unwant(Interest.Read);
            }
        }
        if ((ready & (Readiness.Writable | Readiness.Error | Readiness.HangUp)) != 0 && _key is { IsRegistered: true })
        {
            OnWritable();
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

    /// <summary>False if the selector refused, which ends the socket.</summary>
    private bool Want(Interest interest)
    {
        try
        {
            if (_key is null)
            {
                bool edges = IsTcp && _loop.SupportsTriggers;
                _key = _loop.Register(_descriptor, edges ? interest | Interest.Priority : interest, this, edges ? Trigger.Edge : Trigger.Level);
            }
            else if ((_key.Interest & interest) != interest)
            {
                _loop.Modify(_key, _key.Interest | interest);
            }
            return true;
        }
        catch (SystemCallException exception)
        {
            Fault(_owner.OnError(exception));
        }
        catch (ArgumentOutOfRangeException exception)
        {
            Fault(exception);
        }
        return false;
    }

    private void Unwant(Interest interest)
    {
        if (_key is { IsRegistered: true } key && (key.Interest & interest) != 0)
        {
            Watch(key, key.Interest & ~interest);
        }
    }

    private void Watch(SelectorKey key, Interest interest)
    {
        try
        {
            _loop.Modify(key, interest);
        }
        catch (SystemCallException exception)
        {
            // It is not watched any more. Nobody may be waiting who could be told, and the loop must go on.
            Fault(_owner.OnError(exception));
        }
    }
}
