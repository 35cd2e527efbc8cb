using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>
/// A connection's bytes on an asynchronous socket of the base library. Its state belongs to the pieces of the call's
/// context; what other threads ask for is posted there.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Close disposes what it holds.")]
[SuppressMessage("Reliability", "CA2012", Justification = "Each receive and send is consumed once: at once, or when it has told its end.")]
internal sealed partial class TaskTransport : StreamTransport, IValueTaskSource<int>
{
    // The runtime's timers take some 49 days at most.
    private static readonly TimeSpan _longestTimer = TimeSpan.FromDays(40);

    // A byte may be there already that a piece before this one is about to take.
    private static readonly TimeSpan _shortestTimer = TimeSpan.FromMilliseconds(10);

    private readonly Socket _socket;
    private readonly EndPoint? _remote;
    private volatile CallContext? _context;
    private Exception? _fault;
    private Exception? _abortCause;
    private volatile bool _closed;
    private bool _endOfInput;
    private long _received;

    // The one pending read.
    private readonly Action _onReceived;
    private ManualResetValueTaskSourceCore<int> _read;
    private ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter _receive;
    private CancellationTokenSource _receiveEnd = new();
    private CancellationTokenSource? _readerToo;
    private int _reading;
    private bool _readPending;
    private bool _readWantsContext;
    private Memory<byte> _readBuffer;
    private CancellationToken _readToken;
    private Exception? _readCause;
    private int _readCount;
    private TaskCompletionSource? _readEnded;
    private Timer? _idleTimer;
    private bool _idleArmed;
    private long _readStarted;
    private FirstByteTime _firstByte;

    internal TaskTransport(Socket socket)
    {
        _socket = socket;
        // So that a call which is not awaited never waits.
        socket.Blocking = false;
        _remote = socket.RemoteEndPoint is { } remote && !(remote is UnixDomainSocketEndPoint && remote.ToString()!.Length == 0) ? remote : null;
        _onReceived = () => _context!.Run(static self => ((TaskTransport)self!).EndReceive(), this);
        _onSent = () => _context!.Run(static self => ((TaskTransport)self!).EndSend(), this);
    }

    internal override SynchronizationContext? Context => _context;

    internal override bool IsCurrent => _context is { IsCurrent: true };

    internal override EndPoint? RemoteEndPoint => _remote;

    internal override EndPoint? LocalEndPoint
    {
        get
        {
            try
            {
                return _closed ? null : _socket.LocalEndPoint;
            }
            catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
            {
                return null;
            }
        }
    }

    internal override int Descriptor => (int)_socket.Handle;

    internal override long Received => Volatile.Read(ref _received);

    internal override long Sent => Volatile.Read(ref _sent);

    internal override bool EndOfInput => _endOfInput;

    internal override bool HasUnread
    {
        get
        {
            try
            {
                return _socket.Available > 0;
            }
            catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
            {
                return false;
            }
        }
    }

    internal override bool IsReading => Volatile.Read(ref _reading) != 0;

    private CallContext Started => _context ?? throw NotStarted();

    internal override void Attach(EventLoop? loop) => Attach(CallContext.OfThisPiece);

    internal void Attach(CallContext? context)
    {
        _context = context;
        ExpectFirstByte();
        // Against Abort on another thread: each writes its own field before it reads the other's.
        Interlocked.MemoryBarrier();
        if (_abortCause is { } cause)
        {
            Fault(cause);
        }
    }

    internal override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        CallContext context = Started;
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
        var task = new ValueTask<int>(this, _read.Version);
        if (context.IsCurrent)
        {
            StartRead();
        }
        else
        {
            context.Post(static self => ((TaskTransport)self!).StartRead(), this);
        }
        return task;
    }

    private void StartRead()
    {
        _readPending = true;
        if (_fault is not null || _endOfInput)
        {
            CompleteRead(0, _fault);
            return;
        }
        if (_readToken.IsCancellationRequested)
        {
            CompleteRead(0, new OperationCanceledException(_readToken));
            return;
        }
        _readStarted = Stopwatch.GetTimestamp();
        if (!_idleArmed)
        {
            ArmIdle();
        }
        if (Receive())
        {
            EndReceive();
        }
    }

    /// <summary>Asks the socket for bytes. True if it has answered already.</summary>
    private bool Receive()
    {
        CancellationToken end = _receiveEnd.Token;
        // The stop token needs no registration: CancelStopReads ends those reads.
        if (_readToken.CanBeCanceled && _readToken != Connection.Stopping)
        {
            _readerToo = CancellationTokenSource.CreateLinkedTokenSource(_readToken, end);
            end = _readerToo.Token;
        }
        // A receive that is cancelled has taken no byte: the base library either does it or gives it up. Its buffer is the
        // reader's, so the read is not over before the receive is.
        _receive = _socket.ReceiveAsync(_readBuffer, SocketFlags.None, end).ConfigureAwait(false).GetAwaiter();
        if (_receive.IsCompleted)
        {
            return true;
        }
        _receive.UnsafeOnCompleted(_onReceived);
        return false;
    }

    private void EndReceive()
    {
        int count = 0;
        Exception? error = null;
        try
        {
            count = _receive.GetResult();
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            error = exception;
        }
        _receive = default;
        _readerToo?.Dispose();
        _readerToo = null;
        if (_fault is null && error is not (null or OperationCanceledException))
        {
            Fault(OnError(BaseSocketErrors.Of(error).ToSystemCall("recv")));
        }
        if (_fault is null && error is null && count == 0 && !_readBuffer.IsEmpty && Volatile.Read(ref _abortCause) is { } cause)
        {
            // The end of input is that of an abort from another thread, not the peer's.
            Fault(cause);
        }
        if (_fault is not null)
        {
            CompleteRead(0, _fault);
        }
        else if (error is null)
        {
            _endOfInput = count == 0 && !_readBuffer.IsEmpty;
            _received += count;
            if (_context!.Spend(count))
            {
                CompleteRead(count, null);
            }
            else
            {
                _readCount = count;
                _context.Post(static self => ((TaskTransport)self!).CompleteRead(((TaskTransport)self)._readCount, null), this);
            }
        }
        else if (_readCause is not null || _readToken.IsCancellationRequested)
        {
            CompleteRead(0, _readCause ?? new OperationCanceledException(_readToken));
        }
        else if (Receive())
        {
            // A stop has told of itself before its token did, and tells again.
            EndReceive();
        }
    }

    private void CompleteRead(int count, Exception? exception)
    {
        _readPending = false;
        _readBuffer = default;
        _readCause = null;
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
        _readEnded?.TrySetResult();
        _readEnded = null;
        DisposeIfClosed();
    }

    internal override int TryRead(Span<byte> buffer)
    {
        if (_fault is not null)
        {
            throw _fault;
        }
        int count = _socket.Receive(buffer, SocketFlags.None, out SocketError error);
        if (error == SocketError.WouldBlock)
        {
            return -1;
        }
        if (error != SocketError.Success)
        {
            Fault(OnError(error.ToSystemCall("recv")));
            throw _fault!;
        }
        if (count == 0 && Volatile.Read(ref _abortCause) is { } cause)
        {
            Fault(cause);
            throw _fault!;
        }
        _received += count;
        _endOfInput = count == 0;
        return count;
    }

    /// <summary>True if its pieces are no call's, so that code elsewhere may block until one has run.</summary>
    internal bool MayBlock { get; init; }

    internal override bool MayBlockHere => MayBlock && CallContext.OfThisPiece is null;

    internal override int Read(Span<byte> buffer)
    {
        if (!MayBlockHere)
        {
            throw MustAwait("ReadAsync");
        }
        return ReadElsewhere(buffer);
    }

    internal override void WaitInline(Func<object?, bool> done, object? state) => throw MustAwait("await");

    /// <summary>To wait for a call's own operation would take threads from the pool that completes it.</summary>
    internal static InvalidOperationException MustAwait(string instead) =>
        new($"This call would block a thread of the pool on which all callers are served. Use {instead} instead, or choose Concurrency.Threads.");

    internal override void ExpectFirstByte()
    {
        _firstByte.Begin(Connection.FirstByteLimit, _received);
        _idleTimer?.Change(Timeout.Infinite, Timeout.Infinite);
        _idleArmed = false;
    }

    internal override ValueTask EndReadAsync()
    {
        if (!_readPending)
        {
            return ValueTask.CompletedTask;
        }
        _readCause = OnClosed();
        _readEnded = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new ValueTask(_readEnded.Task);
        EndReceiving();
        return ended;
    }

    internal override void CancelStopReads() => _context?.Post(static self =>
    {
        var transport = (TaskTransport)self!;
        if (transport._readPending && transport._readToken == transport.Connection.Stopping)
        {
            transport.EndReceiving();
        }
    }, this);

    /// <summary>Has the receive that is under way end soon, with what it has or without anything.</summary>
    private void EndReceiving()
    {
        CancellationTokenSource end = _receiveEnd;
        _receiveEnd = new CancellationTokenSource();
        end.Cancel();
        end.Dispose();
    }

    private void ArmIdle()
    {
        TimeSpan left = ReadTimeLeft(out _);
        if (left != TimeSpan.MaxValue)
        {
            _idleArmed = true;
            _idleTimer ??= new Timer(static self => ((TaskTransport)self!)._context!.Post(static inner => ((TaskTransport)inner!).CheckIdle(), self), this, Timeout.Infinite, Timeout.Infinite);
            Arm(_idleTimer, left > _shortestTimer ? left : _shortestTimer);
        }
    }

    /// <summary>The timer is armed once and looks at the stamps when it fires, so that a read costs a stamp only.</summary>
    private void CheckIdle()
    {
        _idleArmed = false;
        if (!_readPending || _fault is not null)
        {
            return;
        }
        if (ReadTimeLeft(out bool isFirst) > TimeSpan.Zero)
        {
            ArmIdle();
        }
        else
        {
            Fault(isFirst ? OnNoFirstByte(_firstByte.Limit) : OnIdle(Connection.Limits.Idle));
        }
    }

    /// <summary>How long the read that waits may go on; <see cref="TimeSpan.MaxValue"/> for ever.</summary>
    private TimeSpan ReadTimeLeft(out bool isFirst)
    {
        TimeSpan limit = Connection.Limits.Idle;
        TimeSpan left = limit == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : limit - Stopwatch.GetElapsedTime(_readStarted);
        isFirst = _firstByte.IsAwaited(_received) && _firstByte.Left < left;
        return isFirst ? _firstByte.Left : left;
    }

    private static void Arm(Timer timer, TimeSpan time) =>
        timer.Change((long)Math.Ceiling((time < _longestTimer ? time : _longestTimer).TotalMilliseconds), Timeout.Infinite);

    internal override void SetNoDelay(bool noDelay)
    {
        if (_socket.AddressFamily != AddressFamily.Unix)
        {
            _socket.NoDelay = noDelay;
        }
    }

    internal override void Abort(Exception cause)
    {
        Interlocked.CompareExchange(ref _abortCause, cause, null);
        if (_context is not { } context)
        {
            return;
        }
        if (context.IsCurrent)
        {
            Fault(cause);
            return;
        }
        Shutdown(SocketShutdown.Both);
        context.Post(static state =>
        {
            (TaskTransport self, Exception cause) = ((TaskTransport, Exception))state!;
            self.Fault(cause);
        }, (this, cause));
    }

    private void Fault(Exception cause)
    {
        if (_fault is not null)
        {
            return;
        }
        // The first cause wins: mark, then fail every waiter with it.
        Volatile.Write(ref _fault, Volatile.Read(ref _abortCause) ?? cause);
        Shutdown(SocketShutdown.Both);
        EndPending();
    }

    /// <summary>Fails the writes, and has the receive and the send that are under way end; a read fails with its receive.</summary>
    private void EndPending()
    {
        if (_readPending)
        {
            EndReceiving();
        }
        EndSending();
        FailWrites(_fault!);
    }

    internal override void Close()
    {
        if (_closed)
        {
            return;
        }
        _closed = true;
        _idleTimer?.Dispose();
        _stallTimer?.Dispose();
        Volatile.Write(ref _fault, _fault ?? OnClosed());
        if (_readPending || _sending)
        {
            // To close a socket that is in use resets the connection. So what is under way ends first.
            Shutdown(SocketShutdown.Both);
            EndPending();
        }
        else
        {
            FailWrites(_fault!);
            DisposeIfClosed();
        }
    }

    private void DisposeIfClosed()
    {
        if (_closed && !_readPending && !_sending)
        {
            _socket.Dispose();
            _receiveEnd.Dispose();
            _sendEnd.Dispose();
        }
    }

    private void Shutdown(SocketShutdown how)
    {
        try
        {
            _socket.Shutdown(how);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // It was reset or closed meanwhile, which ends it too.
        }
    }

    int IValueTaskSource<int>.GetResult(short token)
    {
        if (_read.GetStatus(token) == ValueTaskSourceStatus.Pending)
        {
            throw MustAwait("await");
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
        CallContext context = _context!;
        _readWantsContext = CompletionScope.WantsContext(context, ref flags);
        // Code that is no piece of the call goes on elsewhere: here it could hold up the call.
        _read.RunContinuationsAsynchronously = !context.IsCurrent;
        _read.OnCompleted(continuation, state, token, flags);
    }
}
