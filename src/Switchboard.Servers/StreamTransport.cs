using System.Buffers;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A connection's bytes on a stream socket. Until its call has begun it can only be closed or sent a last word.</summary>
internal abstract class StreamTransport : Transport
{
    private Connection? _connection;

    /// <summary>The socket's number.</summary>
    internal abstract int Descriptor { get; }

    private protected Connection Connection => _connection ?? throw NotStarted();

    internal void Belong(Connection connection) => _connection = connection;

    /// <summary>The call begins: on this loop, or in the context of this piece of work.</summary>
    internal abstract void Attach(EventLoop? loop);

    /// <summary>True while a read is pending. Any thread.</summary>
    internal abstract bool IsReading { get; }

    /// <summary>True if the calling thread is none of the call's, and may block until a piece of it has run.</summary>
    internal virtual bool MayBlockHere => false;

    /// <summary>Begins the time of <see cref="ConnectionLimits.FirstByte"/> anew, when what came before was a handshake. In a
    /// piece of the call.</summary>
    internal abstract void ExpectFirstByte();

    /// <summary>Ends a read that the handler has left behind. In a piece of the call.</summary>
    internal abstract ValueTask EndReadAsync();

    /// <summary>Makes a blocking read return the end of input, and no more come. Any thread.</summary>
    internal virtual void EndInput()
    {
    }

    /// <summary>Wakes a blocked read or write for good. Any thread.</summary>
    internal virtual void EndBoth()
    {
    }

    /// <summary>Ends a pending read that was given the stop token. Any thread.</summary>
    internal abstract void CancelStopReads();

    /// <summary>Reads where <see cref="MayBlockHere"/> is true.</summary>
    private protected int ReadElsewhere(Span<byte> buffer)
    {
        byte[] copy = ArrayPool<byte>.Shared.Rent(buffer.Length);
        // A read is over when it has completed, also if it has failed.
        int count = ReadAsync(copy.AsMemory(0, buffer.Length), CancellationToken.None).AsTask().GetAwaiter().GetResult();
        copy.AsSpan(0, count).CopyTo(buffer);
        ArrayPool<byte>.Shared.Return(copy);
        return count;
    }

    /// <summary>Writes where <see cref="MayBlockHere"/> is true.</summary>
    private protected void WriteElsewhere(ReadOnlySpan<byte> buffer) =>
        WriteAsync(buffer.ToArray(), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    public override string ToString() => $"{_connection}";

    private protected ConnectionEndedException OnIdle(TimeSpan limit) => Connection.Broken(ConnectionEndReason.Idle,
        $"No byte came from the peer for {limit}, which is ConnectionLimits.Idle.");

    private protected ConnectionEndedException OnNoFirstByte(TimeSpan limit) => Connection.Broken(ConnectionEndReason.NoFirstByte,
        $"No byte came from the peer within {limit} of the call's beginning, which is ConnectionLimits.FirstByte.");

    private protected ConnectionEndedException OnWriteStalled(TimeSpan limit) => Connection.Broken(ConnectionEndReason.WriteStalled,
        $"The peer took no byte for {limit}, which is ConnectionLimits.WriteStall.");

    private protected ConnectionEndedException OnError(SystemCallException error) => Connection.Broken(ConnectionEndReason.Reset,
        $"The connection was lost: {error.Message}", error);

    private protected ConnectionEndedException OnTornWrite(int sent, int length) => Connection.Broken(ConnectionEndReason.Aborted,
        $"A write was cancelled after {sent} of its {length} bytes were sent, which ends the connection: a part can't be taken back.");

    private protected ConnectionEndedException OnClosed() => new(Connection.Reason ?? ConnectionEndReason.HandlerReturned,
        "The call has ended, and its connection with it. Await what you began before the handler returns.");

    private protected static InvalidOperationException NotStarted() =>
        new("The call has not started yet, so the connection can't be read or written. Do that in the handler; before it, only TrySend and Abort work.");
}
