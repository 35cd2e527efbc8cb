using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Switchboard.Polling;

namespace Switchboard.Servers;

internal sealed partial class TlsTransport
{
    // The stream takes one write at a time. What a record has begun with must be followed by its rest, so a write that has
    // begun can't be taken back. Until the handshake is done, the handshake has the stream.
    private readonly Queue<WriteOperation> _writes = new(0);
    private readonly Action _onWritten;
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _streamWrite;
    private bool _isWriting = true;
    private bool _hasNotified;
    private int _copiedPending;
    private volatile bool _outputClosed;

    private enum WriteKind
    {
        Borrowed,
        Copied,
        Notify,
        CloseOutput,
    }

    internal override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellation);
        }
        if (_fault is { } fault)
        {
            return ValueTask.FromException(fault);
        }
        ThrowIfOutputClosed();
        if (_inner.IsCurrent && !_isWriting && _writes.Count == 0)
        {
            ValueTask written = _stream.WriteAsync(buffer, CancellationToken.None);
            if (written.IsCompletedSuccessfully)
            {
                return ValueTask.CompletedTask;
            }
            var begun = new WriteOperation(this, WriteKind.Borrowed, buffer, cancellation) { HasBegun = true };
            _writes.Enqueue(begun);
            begun.Register();
            if (Await(written))
            {
                EndWrite();
            }
            return begun.Task;
        }
        return Begin(new WriteOperation(this, WriteKind.Borrowed, buffer, cancellation));
    }

    internal override bool TrySend(ReadOnlySpan<byte> message)
    {
        if (_fault is not null || _outputClosed || _phase != Phase.Secure)
        {
            return false;
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
        Begin(new WriteOperation(this, WriteKind.Copied, message.ToArray(), default));
        return _fault is null;
    }

    internal override void Write(ReadOnlySpan<byte> buffer)
    {
        if (MayBlockHere)
        {
            WriteElsewhere(buffer);
            return;
        }
        if (_fault is { } fault)
        {
            throw fault;
        }
        ThrowIfOutputClosed();
        // Throws where the calling thread may not block, before it touches the stream.
        _inner.Write([]);
        if (_isWriting || _writes.Count > 0)
        {
            _inner.WaitInline(static self => !((TlsTransport)self!)._isWriting && ((TlsTransport)self)._writes.Count == 0, this);
        }
        // Pieces of the call may run while it waits, and write too.
        _isWriting = true;
        _bytes.MayBlock = true;
        Exception? error = null;
        try
        {
            _stream.Write(buffer);
        }
        catch (Exception exception)
        {
            error = Failure(exception);
        }
        _bytes.MayBlock = false;
        _isWriting = false;
        if (error is not null)
        {
            FailWrites(error);
            throw error;
        }
        WriteQueue();
    }

    internal override ValueTask CloseOutputAsync()
    {
        if (_fault is { } fault)
        {
            return ValueTask.FromException(fault);
        }
        if (_phase == Phase.Clear && _inner.IsCurrent)
        {
            return _inner.CloseOutputAsync();
        }
        _outputClosed = true;
        return Begin(new WriteOperation(this, WriteKind.CloseOutput, default, default));
    }

    /// <summary>The last words before a close: what waits goes out, and then the end of TLS (close_notify).</summary>
    internal override ValueTask FlushAsync() =>
        _fault is not null ? ValueTask.CompletedTask
        : _phase != Phase.Secure ? _inner.FlushAsync()
        : Begin(new WriteOperation(this, WriteKind.Notify, default, default));

    private void ThrowIfOutputClosed()
    {
        if (_outputClosed)
        {
            throw new InvalidOperationException("The output of this connection was ended by CloseOutputAsync, so nothing more can be written.");
        }
    }

    private ValueTask Begin(WriteOperation write)
    {
        if (_inner.IsCurrent)
        {
            Enqueue(write);
        }
        else
        {
            _inner.Context!.Post(static state => ((WriteOperation)state!).Start(), write);
        }
        return write.Task;
    }

    private void Enqueue(WriteOperation write)
    {
        if (_fault is { } fault)
        {
            write.Complete(fault);
            return;
        }
        write.Register();
        _writes.Enqueue(write);
        WriteQueue();
    }

    private void WriteQueue()
    {
        // What goes on inline when a write completes may have begun to write already.
        while (!_isWriting && _writes.TryPeek(out WriteOperation? write))
        {
            if (write.IsWithdrawn)
            {
                _writes.Dequeue();
                continue;
            }
            write.HasBegun = true;
            if (!Await(Write(write)))
            {
                return;
            }
            TakeWritten();
        }
    }

    private ValueTask Write(WriteOperation write) => write.Kind switch
    {
        WriteKind.Notify => NotifyAsync(),
        WriteKind.CloseOutput => CloseAsync(),
        _ => _stream.WriteAsync(write.Buffer, CancellationToken.None),
    };

    private async ValueTask NotifyAsync()
    {
        if (!_hasNotified)
        {
            Debug.Assert(_inner.IsCurrent, "The end of TLS is made in a piece of the call only, while nothing is decrypted.");
            _hasNotified = true;
            await _stream.ShutdownAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask CloseAsync()
    {
        await NotifyAsync().ConfigureAwait(false);
        await _inner.CloseOutputAsync().ConfigureAwait(false);
    }

    /// <summary>True if it is done already.</summary>
    private bool Await(ValueTask written)
    {
        _isWriting = true;
        _streamWrite = written.ConfigureAwait(false).GetAwaiter();
        if (_streamWrite.IsCompleted)
        {
            return true;
        }
        _streamWrite.UnsafeOnCompleted(_onWritten);
        return false;
    }

    private void EndWrite()
    {
        TakeWritten();
        WriteQueue();
    }

    private void TakeWritten()
    {
        Exception? error = null;
        try
        {
            _streamWrite.GetResult();
        }
        catch (Exception exception)
        {
            error = Failure(exception);
        }
        _streamWrite = default;
        _isWriting = false;
        // A close may have failed them all meanwhile.
        if (_writes.TryDequeue(out WriteOperation? write))
        {
            write.Complete(error);
        }
        if (error is not null)
        {
            FailWrites(error);
        }
    }

    private void FailWrites(Exception cause)
    {
        while (!_isWriting && _writes.TryDequeue(out WriteOperation? write))
        {
            write.Complete(cause);
        }
    }

    /// <summary>A write that waits for the peer or for its turn. Its task may be awaited once.</summary>
    private sealed class WriteOperation(TlsTransport transport, WriteKind kind, ReadOnlyMemory<byte> buffer, CancellationToken token) : IValueTaskSource
    {
        private ManualResetValueTaskSourceCore<bool> _source;
        private CancellationTokenRegistration _registration;
        private Exception? _cancelled;
        private bool _wantsContext;
        private bool _completed;

        internal WriteKind Kind => kind;

        internal ReadOnlyMemory<byte> Buffer { get; private set; } = buffer;

        internal bool HasBegun { get; set; }

        /// <summary>True if it was cancelled before it began; it stays in the queue and is passed over.</summary>
        internal bool IsWithdrawn { get; private set; }

        internal ValueTask Task => new(this, _source.Version);

        internal void Start() => transport.Enqueue(this);

        internal void Register()
        {
            if (token.CanBeCanceled)
            {
                _registration = token.UnsafeRegister(static self =>
                    ((WriteOperation)self!).Post(), this);
            }
        }

        private void Post() => transport.Context!.Post(static self => ((WriteOperation)self!).Cancel(), this);

        private void Cancel()
        {
            if (_completed || IsWithdrawn)
            {
                return;
            }
            var exception = new OperationCanceledException(token);
            if (!HasBegun)
            {
                IsWithdrawn = true;
                Complete(exception);
            }
            else if (token != transport.Connection.Stopping)
            {
                // A stop lets what has begun go out; the grace time ends it.
                _cancelled = exception;
                transport.Abort(transport.Connection.Broken(ConnectionEndReason.Aborted,
                    $"A write of {Buffer.Length} bytes was cancelled after it had begun, which ends the connection: over TLS a record can't be taken back."));
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
            ContinuationScope scope = ContinuationScope.Enter(_wantsContext ? transport.Context : null);
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
                transport.WaitInline(static self => ((WriteOperation)self!)._completed, this);
            }
            _source.GetResult(token);
        }

        public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        {
            _wantsContext = CompletionScope.WantsContext(transport.Context!, ref flags);
            _source.RunContinuationsAsynchronously = !transport.IsCurrent;
            _source.OnCompleted(continuation, state, token, flags);
        }
    }
}
