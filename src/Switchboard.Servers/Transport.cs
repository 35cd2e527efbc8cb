using System.Net;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>What carries a connection's bytes: a socket on a loop, or memory. One read at a time.</summary>
internal abstract class Transport
{
    /// <summary>The loop that it runs on; null in memory, where every thread is as good as another.</summary>
    internal virtual EventLoop? Loop => null;

    internal abstract EndPoint? LocalEndPoint { get; }

    internal abstract EndPoint? RemoteEndPoint { get; }

    internal abstract long Received { get; }

    internal abstract long Sent { get; }

    internal abstract bool EndOfInput { get; }

    /// <summary>An empty buffer means: wait until a read would not wait.</summary>
    internal abstract ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation);

    /// <summary>Reads without waiting: the count, 0 at the end of input, -1 if nothing is there. On the loop's thread.</summary>
    internal abstract int TryRead(Span<byte> buffer);

    internal abstract ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation);

    internal abstract bool TrySend(ReadOnlySpan<byte> message);

    internal abstract int Read(Span<byte> buffer);

    internal abstract void Write(ReadOnlySpan<byte> buffer);

    internal abstract ValueTask CloseOutputAsync();

    internal abstract ValueTask FlushAsync();

    internal virtual void SetNoDelay(bool noDelay)
    {
    }

    /// <summary>Fails what is pending and what comes later. Any thread.</summary>
    internal abstract void Abort(Exception cause);

    /// <summary>Frees what it holds; what is pending fails. The call's own thread.</summary>
    internal abstract void Close();
}
