using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Switchboard.Servers;

/// <summary>The encrypted bytes, as SslStream wants them.</summary>
/// <param name="transport">What carries them.</param>
internal sealed class TlsByteStream(StreamTransport transport) : Stream
{
    private ReadOnlyMemory<byte> _received;

    /// <summary>True once the transport has come to its end, with or without an end of TLS before it.</summary>
    internal bool HasEnded { get; private set; }

    /// <summary>True while a blocking read or write of the handler's runs, on the call's own thread.</summary>
    internal bool MayBlock { get; set; }

    /// <summary>True once the handshake is done: until then nobody else uses the stream, wherever it goes on.</summary>
    internal bool IsSecure { get; set; }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException("A connection has no length.");

    public override long Position
    {
        get => throw new NotSupportedException("A connection has no position.");
        set => throw new NotSupportedException("A connection has no position.");
    }

    /// <summary>Gives the stream what was received already, after a PROXY header.</summary>
    internal void Prepend(byte[] received) => _received = received;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!_received.IsEmpty)
        {
            return new ValueTask<int>(TakeReceived(buffer.Span));
        }
        ValueTask<int> read = transport.ReadAsync(buffer, cancellationToken);
        if (!read.IsCompletedSuccessfully)
        {
            return WhenReadAsync(read, buffer.IsEmpty);
        }
        int count = read.Result;
        HasEnded |= count == 0 && !buffer.IsEmpty;
        return new ValueTask<int>(count);
    }

    // This builder goes on inline, in the piece in which the read completes, and that is promised: SslStream must not
    // decrypt elsewhere while a piece of the call ends its output. The usual one goes elsewhere when the stack is deep.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> WhenReadAsync(ValueTask<int> read, bool isEmpty)
    {
        int count = await read.ConfigureAwait(false);
        Debug.Assert(!IsSecure || transport.IsCurrent, "SslStream reads in pieces of the call only.");
        HasEnded |= count == 0 && !isEmpty;
        return count;
    }

    public override int Read(Span<byte> buffer)
    {
        if (!_received.IsEmpty)
        {
            return TakeReceived(buffer);
        }
        if (MayBlock)
        {
            int read = transport.Read(buffer);
            HasEnded |= read == 0 && !buffer.IsEmpty;
            return read;
        }
        if (buffer.IsEmpty)
        {
            return 0;
        }
        int count = transport.TryRead(buffer);
        HasEnded |= count == 0;
        return count >= 0 ? count : throw new WouldWaitException();
    }

    private int TakeReceived(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _received.Length);
        _received.Span[..count].CopyTo(buffer);
        _received = _received[count..];
        return count;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        // What a record has begun with must be followed by its rest.
        transport.WriteAsync(buffer, CancellationToken.None);

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (MayBlock)
        {
            transport.Write(buffer);
        }
        else
        {
            // An answer of TLS itself, to what a read that must not wait has found. It stands in the transport's row.
            _ = transport.WriteAsync(buffer.ToArray(), CancellationToken.None).AsTask();
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException("A connection can't seek.");

    public override void SetLength(long value) => throw new NotSupportedException("A connection has no length.");
}

/// <summary>A read that must not wait would have to: there is only a part of a TLS record.</summary>
internal sealed class WouldWaitException : IOException;
