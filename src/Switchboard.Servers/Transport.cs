using System.Net;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>What carries a connection's bytes: a socket, or memory. One read at a time.</summary>
internal abstract class Transport
{
    /// <summary>Where the pieces of the call run, one at a time; null in memory, where every thread is as good as another.</summary>
    internal virtual SynchronizationContext? Context => null;

    /// <summary>True while the calling thread runs a piece of the call.</summary>
    internal virtual bool IsCurrent => false;

    /// <summary>True if the peer is known to have sent more than was received.</summary>
    internal virtual bool HasUnread => false;

    internal abstract EndPoint? LocalEndPoint { get; }

    internal abstract EndPoint? RemoteEndPoint { get; }

    internal abstract long Received { get; }

    internal abstract long Sent { get; }

    internal abstract bool EndOfInput { get; }

    /// <summary>An empty buffer means: wait until a read would not wait.</summary>
    internal abstract ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation);

    /// <summary>Reads without waiting: the count, 0 at the end of input, -1 if nothing is there. In a piece of the call.</summary>
    internal abstract int TryRead(Span<byte> buffer);

    /// <summary>Has a waiter told when a read would not wait. False if that does not come to waiting, or can't be done so: then
    /// <see cref="ReadAsync"/> does it. In a piece of the call.</summary>
    internal virtual bool TryAwaitRead(IReadWaiter waiter, CancellationToken cancellation) => false;

    internal abstract ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation);

    internal abstract bool TrySend(ReadOnlySpan<byte> message);

    internal abstract int Read(Span<byte> buffer);

    internal abstract void Write(ReadOnlySpan<byte> buffer);

    internal abstract ValueTask CloseOutputAsync();

    internal abstract ValueTask FlushAsync();

    internal virtual void SetNoDelay(bool noDelay)
    {
    }

    /// <summary>Waits within a piece of the call until something is done; throws where that would hold up others. Where
    /// there is a context only.</summary>
    internal virtual void WaitInline(Func<object?, bool> done, object? state) => throw new InvalidOperationException("Without a context any thread may block.");

    /// <summary>Fails what is pending and what comes later. Any thread.</summary>
    internal abstract void Abort(Exception cause);

    /// <summary>Frees what it holds; what is pending fails. The call's own thread.</summary>
    internal abstract void Close();
}
