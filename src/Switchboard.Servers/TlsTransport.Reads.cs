using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Switchboard.Polling;

namespace Switchboard.Servers;

internal sealed partial class TlsTransport : IValueTaskSource<int>
{
    // The one pending read.
    private readonly Action _onRead;
    private ManualResetValueTaskSourceCore<int> _read;
    private ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter _streamRead;
    private Memory<byte> _readBuffer;
    private CancellationToken _readToken;
    private Exception? _readCause;
    private bool _readPending;
    private bool _readWantsContext;
    private int _reading;

    internal override bool IsReading => Volatile.Read(ref _reading) != 0;

    internal override void CancelStopReads() => _inner.CancelStopReads();

    internal override void EndInput() => _inner.EndInput();

    internal override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellation);
        }
        if (_fault is { } fault)
        {
            return ValueTask.FromException<int>(fault);
        }
        if (_phase == Phase.Clear)
        {
            return _inner.ReadAsync(buffer, cancellation);
        }
        BeginRead();
        _read.Reset();
        _readBuffer = buffer;
        _readToken = cancellation;
        var task = new ValueTask<int>(this, _read.Version);
        InPiece(static self => ((TlsTransport)self!).StartRead());
        return task;
    }

    private void BeginRead()
    {
        if (_phase == Phase.Handshake)
        {
            throw new InvalidOperationException("The TLS handshake of this connection is under way. Await StartTlsAsync before the next read.");
        }
        if (Interlocked.Exchange(ref _reading, 1) != 0)
        {
            throw new InvalidOperationException("A read is pending on this connection. Await it before the next one: one read at a time.");
        }
    }

    private void StartRead()
    {
        _readPending = true;
        if (_endOfInput || _fault is not null)
        {
            CompleteRead(0, _fault);
            return;
        }
        try
        {
            // Cancelled, it has taken no byte: what the transport below had taken stays in the stream for the next read.
            _streamRead = _stream.ReadAsync(_readBuffer, _readToken).ConfigureAwait(false).GetAwaiter();
        }
        catch (Exception exception)
        {
            CompleteRead(0, Failure(exception));
            return;
        }
        if (_streamRead.IsCompleted)
        {
            EndRead();
        }
        else
        {
            _streamRead.UnsafeOnCompleted(_onRead);
        }
    }

    private void EndRead()
    {
        int count = 0;
        Exception? error = null;
        try
        {
            count = _streamRead.GetResult();
        }
        catch (Exception exception)
        {
            error = _readCause ?? Failure(exception);
        }
        _streamRead = default;
        if (error is null && count == 0 && !_readBuffer.IsEmpty)
        {
            OnEnd();
        }
        CompleteRead(count, error);
    }

    private void OnEnd()
    {
        IsTruncated = _bytes.HasEnded;
        _endOfInput = true;
    }

    private void CompleteRead(int count, Exception? error)
    {
        _readPending = false;
        _readBuffer = default;
        _readCause = null;
        ContinuationScope scope = ContinuationScope.Enter(_readWantsContext ? Context : null);
        if (error is null)
        {
            _read.SetResult(count);
        }
        else
        {
            _read.SetException(error);
        }
        scope.Leave();
    }

    /// <summary>The read fails, and nothing else does: what comes later can still be read.</summary>
    internal override ValueTask EndReadAsync()
    {
        if (_readPending)
        {
            _readCause = OnClosed();
        }
        return _inner.EndReadAsync();
    }

    internal override int TryRead(Span<byte> buffer)
    {
        if (_fault is { } fault)
        {
            throw fault;
        }
        return _phase == Phase.Clear ? _inner.TryRead(buffer)
            : _endOfInput ? 0
            : ReadNow(buffer);
    }

    internal override int Read(Span<byte> buffer)
    {
        if (MayBlockHere)
        {
            return ReadElsewhere(buffer);
        }
        if (_fault is { } fault)
        {
            throw fault;
        }
        // Throws where the calling thread may not block, before it touches the stream.
        _inner.Read([]);
        if (_endOfInput || buffer.IsEmpty)
        {
            return 0;
        }
        BeginRead();
        _bytes.MayBlock = true;
        try
        {
            return ReadNow(buffer);
        }
        finally
        {
            _bytes.MayBlock = false;
            Volatile.Write(ref _reading, 0);
        }
    }

    private int ReadNow(Span<byte> buffer)
    {
        try
        {
            int count = _stream.Read(buffer);
            if (count == 0)
            {
                OnEnd();
            }
            return count;
        }
        catch (WouldWaitException)
        {
            return -1;
        }
        catch (IOException exception) when (exception.InnerException is InvalidOperationException and not ObjectDisposedException)
        {
            throw exception.InnerException;
        }
        catch (Exception) when (Connection.Reason == ConnectionEndReason.Stopped && _bytes.MayBlock)
        {
            // The stop has ended the input of a blocking read, perhaps in the middle of a record.
            _endOfInput = true;
            return 0;
        }
        catch (Exception exception)
        {
            throw Failure(exception);
        }
    }

    int IValueTaskSource<int>.GetResult(short token)
    {
        if (_read.GetStatus(token) == ValueTaskSourceStatus.Pending)
        {
            _inner.WaitInline(static self => ((TlsTransport)self!)._read.GetStatus(((TlsTransport)self)._read.Version) != ValueTaskSourceStatus.Pending, this);
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
        _readWantsContext = CompletionScope.WantsContext(Context!, ref flags);
        // Code of another thread goes on elsewhere: here it could hold up the call.
        _read.RunContinuationsAsynchronously = !_inner.IsCurrent;
        _read.OnCompleted(continuation, state, token, flags);
    }
}
