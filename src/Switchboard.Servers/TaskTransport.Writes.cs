using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Switchboard.Polling;

namespace Switchboard.Servers;

internal sealed partial class TaskTransport
{
    private readonly Queue<WriteOperation> _writes = new(0);
    private readonly Action _onSent;
    // The base library can't wait until a socket takes bytes, but it can send one: whole or not at all, also if it is
    // cancelled. So what is out is known to the byte, and the writer's buffer is not in use while a write waits.
    private readonly byte[] _oneByte = new byte[1];
    private ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter _send;
    private CancellationTokenSource _sendEnd = new();
    private bool _sending;
    private Timer? _stallTimer;
    private bool _stallArmed;
    private long _writeProgress;
    private PeerProgress _peerProgress;
    private int _copiedPending;
    private volatile bool _outputClosed;
    private long _sent;

    private enum WriteKind
    {
        Borrowed,
        Copied,
        Flush,
        CloseOutput,
    }

    internal override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation)
    {
        CallContext context = Started;
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellation);
        }
        if (_fault is null)
        {
            ThrowIfOutputClosed();
        }
        int sent = 0;
        if (context.IsCurrent)
        {
            if (_fault is not null)
            {
                return ValueTask.FromException(_fault);
            }
            if (_writes.Count == 0 && SendNow(buffer.Span, ref sent))
            {
                if (_fault is not null)
                {
                    return ValueTask.FromException(_fault);
                }
                if (context.Spend(sent))
                {
                    return ValueTask.CompletedTask;
                }
                // The kernel takes all that this call writes: the next one's turn comes first.
                var pause = new WriteOperation(this, WriteKind.Borrowed, default, 0, default);
                context.Post(static state => ((WriteOperation)state!).Start(), pause);
                return pause.Task;
            }
        }
        return Begin(new WriteOperation(this, WriteKind.Borrowed, buffer, sent, cancellation));
    }

    internal override bool TrySend(ReadOnlySpan<byte> message)
    {
        if (_closed || Volatile.Read(ref _fault) is not null || _outputClosed)
        {
            return false;
        }
        if (_context is not { } context)
        {
            return _socket.Send(message, SocketFlags.None, out _) == message.Length;
        }
        int pending = Interlocked.Add(ref _copiedPending, message.Length);
        if (pending > Connection.Limits.PendingSend)
        {
            Interlocked.Add(ref _copiedPending, -message.Length);
            if (pending > message.Length)
            {
                Connection.OnPendingSendFull();
            }
            return false;
        }
        int sent = 0;
        if (context.IsCurrent && _writes.Count == 0 && SendNow(message, ref sent))
        {
            Interlocked.Add(ref _copiedPending, -message.Length);
            return _fault is null;
        }
        Begin(new WriteOperation(this, WriteKind.Copied, message.ToArray(), sent, default));
        return true;
    }

    internal override void Write(ReadOnlySpan<byte> buffer)
    {
        if (!MayBlockHere)
        {
            throw MustAwait("WriteAsync");
        }
        WriteElsewhere(buffer);
    }

    internal override ValueTask CloseOutputAsync()
    {
        CallContext context = Started;
        _outputClosed = true;
        if (!context.IsCurrent || _writes.Count > 0)
        {
            return Begin(new WriteOperation(this, WriteKind.CloseOutput, default, 0, default));
        }
        if (_fault is not null)
        {
            return ValueTask.FromException(_fault);
        }
        Shutdown(SocketShutdown.Send);
        return ValueTask.CompletedTask;
    }

    internal override ValueTask FlushAsync() => _context is null || (_context.IsCurrent && _writes.Count == 0)
        ? ValueTask.CompletedTask
        : Begin(new WriteOperation(this, WriteKind.Flush, default, 0, default));

    private void ThrowIfOutputClosed()
    {
        if (_outputClosed)
        {
            throw new InvalidOperationException("The output of this connection was ended by CloseOutputAsync, so nothing more can be written.");
        }
    }

    /// <summary>True if there is nothing left to do: all is sent, or the connection has failed.</summary>
    private bool SendNow(ReadOnlySpan<byte> bytes, ref int sent)
    {
        while (sent < bytes.Length)
        {
            int count = _socket.Send(bytes[sent..], SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock)
            {
                return false;
            }
            if (error != SocketError.Success)
            {
                Fault(OnError(error.ToSystemCall("send")));
                return true;
            }
            sent += count;
            _sent += count;
        }
        return true;
    }

    private ValueTask Begin(WriteOperation write)
    {
        if (_context!.IsCurrent)
        {
            write.Start();
        }
        else
        {
            _context.Post(static state => ((WriteOperation)state!).Start(), write);
        }
        return write.Task;
    }

    private void Enqueue(WriteOperation write)
    {
        _writes.Enqueue(write);
        if (_writes.Count == 1)
        {
            _writeProgress = Stopwatch.GetTimestamp();
            SendQueue();
        }
    }

    private void SendQueue()
    {
        // What goes on inline when a write completes may have begun to send already.
        while (!_sending && _writes.TryPeek(out WriteOperation? write))
        {
            int sent = write.SentCount;
            bool done = write.IsWithdrawn || SendNow(write.Buffer.Span, ref sent);
            if (_fault is not null)
            {
                return;
            }
            if (sent > write.SentCount)
            {
                write.SentCount = sent;
                _writeProgress = Stopwatch.GetTimestamp();
            }
            if (!done)
            {
                WatchStall();
                if (!SendOne(write))
                {
                    return;
                }
                continue;
            }
            if (write.Kind == WriteKind.CloseOutput)
            {
                Shutdown(SocketShutdown.Send);
            }
            _writes.Dequeue();
            write.Complete(null);
        }
    }

    /// <summary>Sends a byte as soon as the socket takes one. True if it was sent at once.</summary>
    private bool SendOne(WriteOperation write)
    {
        _oneByte[0] = write.Buffer.Span[write.SentCount];
        _send = _socket.SendAsync(_oneByte.AsMemory(), SocketFlags.None, _sendEnd.Token).ConfigureAwait(false).GetAwaiter();
        _sending = true;
        if (_send.IsCompleted)
        {
            return TakeSent();
        }
        _send.UnsafeOnCompleted(_onSent);
        return false;
    }

    private void EndSend()
    {
        if (TakeSent())
        {
            SendQueue();
        }
        DisposeIfClosed();
    }

    /// <summary>Counts the byte that was sent. False if the connection has failed.</summary>
    private bool TakeSent()
    {
        int count = 0;
        Exception? error = null;
        try
        {
            count = _send.GetResult();
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            error = exception;
        }
        _send = default;
        _sending = false;
        _sent += count;
        if (_fault is not null)
        {
            return false;
        }
        if (error is not (null or OperationCanceledException))
        {
            Fault(OnError(BaseSocketErrors.Of(error).ToSystemCall("send")));
            return false;
        }
        if (count > 0)
        {
            _writeProgress = Stopwatch.GetTimestamp();
        }
        WriteOperation write = _writes.Peek();
        write.SentCount += count;
        write.CancelIfAsked();
        return _fault is null;
    }

    /// <summary>Has the send that is under way end soon.</summary>
    private void EndSending()
    {
        if (_sending)
        {
            CancellationTokenSource end = _sendEnd;
            _sendEnd = new CancellationTokenSource();
            end.Cancel();
            end.Dispose();
        }
    }

    private void WatchStall()
    {
        TimeSpan limit = Connection.Limits.WriteStall;
        if (limit != Timeout.InfiniteTimeSpan && !_stallArmed)
        {
            _peerProgress.Begin(Descriptor);
            ArmStall(limit);
        }
    }

    private void ArmStall(TimeSpan time)
    {
        _stallArmed = true;
        _stallTimer ??= new Timer(static self => ((TaskTransport)self!)._context!.Post(static inner => ((TaskTransport)inner!).CheckStall(), self), this, Timeout.Infinite, Timeout.Infinite);
        Arm(_stallTimer, time);
    }

    private void CheckStall()
    {
        _stallArmed = false;
        if (!_sending || _fault is not null)
        {
            return;
        }
        TimeSpan limit = Connection.Limits.WriteStall;
        if (_peerProgress.HasTaken(Descriptor) || Stopwatch.GetElapsedTime(_writeProgress) < limit)
        {
            ArmStall(limit);
        }
        else
        {
            Fault(OnWriteStalled(limit));
        }
    }

    private void FailWrites(Exception cause)
    {
        while (_writes.TryDequeue(out WriteOperation? write))
        {
            write.Complete(cause);
        }
    }

    /// <summary>A write that waits for the peer or for its turn. Its task may be awaited once.</summary>
    private sealed class WriteOperation(TaskTransport transport, WriteKind kind, ReadOnlyMemory<byte> buffer, int sent, CancellationToken token) : IValueTaskSource
    {
        private ManualResetValueTaskSourceCore<bool> _source;
        private CancellationTokenRegistration _registration;
        private bool _wantsContext;
        private bool _completed;
        private bool _cancelAsked;
        private Exception? _cancelled;

        internal WriteKind Kind => kind;

        internal ReadOnlyMemory<byte> Buffer { get; private set; } = buffer;

        internal int SentCount { get; set; } = sent;

        /// <summary>True if it was cancelled before its first byte; it stays in the queue and is passed over.</summary>
        internal bool IsWithdrawn { get; private set; }

        internal ValueTask Task => new(this, _source.Version);

        internal void Start()
        {
            if (transport._fault is { } fault)
            {
                Complete(fault);
                return;
            }
            if (token.CanBeCanceled)
            {
                _registration = token.UnsafeRegister(static self =>
                    ((WriteOperation)self!).Post(static inner => ((WriteOperation)inner!).Cancel()), this);
            }
            transport.Enqueue(this);
        }

        private void Post(SendOrPostCallback callback) => transport._context!.Post(callback, this);

        private void Cancel()
        {
            if (_completed)
            {
                return;
            }
            _cancelAsked = true;
            if (transport._sending && transport._writes.TryPeek(out WriteOperation? first) && first == this)
            {
                // Whether its next byte is out is known when the send has ended.
                transport.EndSending();
            }
            else
            {
                CancelIfAsked();
            }
        }

        internal void CancelIfAsked()
        {
            if (!_cancelAsked || _completed)
            {
                return;
            }
            if (SentCount == 0)
            {
                IsWithdrawn = true;
                Complete(new OperationCanceledException(token));
            }
            else if (SentCount < Buffer.Length && token != transport.Connection.Stopping)
            {
                // A stop lets what has begun go out; the grace time ends it.
                _cancelled = new OperationCanceledException(token);
                transport.Fault(transport.OnTornWrite(SentCount, Buffer.Length));
            }
        }

        internal void Complete(Exception? exception)
        {
            if (_completed)
            {
                return;
            }
            _completed = true;
            _registration.Unregister();
            if (kind == WriteKind.Copied)
            {
                Interlocked.Add(ref transport._copiedPending, -Buffer.Length);
            }
            Buffer = default;
            CompletionScope scope = CompletionScope.Enter(_wantsContext);
            if ((_cancelled ?? exception) is { } error)
            {
                _source.SetException(error);
            }
            else
            {
                _source.SetResult(true);
            }
            scope.Leave();
        }

        public void GetResult(short token)
        {
            if (_source.GetStatus(token) == ValueTaskSourceStatus.Pending)
            {
                throw MustAwait("await");
            }
            _source.GetResult(token);
        }

        public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        {
            CallContext context = transport._context!;
            _wantsContext = CompletionScope.WantsContext(context, ref flags);
            _source.RunContinuationsAsynchronously = !context.IsCurrent;
            _source.OnCompleted(continuation, state, token, flags);
        }
    }
}
