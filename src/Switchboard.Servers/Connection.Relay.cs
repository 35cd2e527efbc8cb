using System.Buffers;

namespace Switchboard.Servers;

// What a gateway does: the bytes of one connection become those of another.
public sealed partial class Connection
{
    // Large enough that the calls no longer matter beside the copying, small enough to stay in a core's cache.
    private const int RelaySize = 128 * 1024;

    /// <summary>Sends all that comes from this connection to another one, until its peer has ended its direction; then ends
    /// that direction of the other. Reads no faster than the other's peer takes, and holds a buffer, of 128 KiB, only while
    /// there are bytes in it.</summary>
    /// <param name="destination">Where the bytes go.</param>
    /// <param name="cancellation">Ends it; what was read is sent first, where the token is that of a server's stop.</param>
    /// <returns>How many bytes it were.</returns>
    /// <exception cref="ConnectionEndedException">One of the connections has ended.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<long> CopyToAsync(Connection destination, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(destination);
        long copied = 0;
        while (true)
        {
            await ReadAsync(Memory<byte>.Empty, cancellation);
            byte[] buffer = ArrayPool<byte>.Shared.Rent(RelaySize);
            try
            {
                // What was waited for is there, so that it can be taken without the means to wait once more.
                int count = _transport.IsCurrent && !HasBuffered ? _transport.TryRead(buffer) : await ReadAsync(buffer, cancellation);
                if (count < 0)
                {
                    continue;
                }
                if (count == 0)
                {
                    break;
                }
                await destination.WriteAsync(buffer.AsMemory(0, count), cancellation);
                copied += count;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
        await destination.CloseOutputAsync();
        return copied;
    }

    /// <summary>Relays both directions between this connection and another one, as <see cref="CopyToAsync"/>, until both
    /// have ended: all that a gateway does. When one connection breaks, the other one is aborted too.</summary>
    /// <param name="other">The other connection.</param>
    /// <param name="cancellation">Ends it, in both directions.</param>
    /// <returns>Completes when both peers have ended their direction.</returns>
    /// <exception cref="ConnectionEndedException">One of the connections has ended.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <remarks><see cref="ConnectionLimits.Idle"/> counts in each direction by itself: where one is silent for long while the
    /// other is busy, give both connections a longer one.</remarks>
    public Task RelayAsync(Connection other, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Task.WhenAll(RelayOneAsync(this, other, cancellation), RelayOneAsync(other, this, cancellation));
    }

    private static async Task RelayOneAsync(Connection source, Connection destination, CancellationToken cancellation)
    {
        try
        {
            await source.CopyToAsync(destination, cancellation);
        }
        catch (ConnectionEndedException exception)
        {
            // The one that broke has its own reason already, and keeps it.
            string why = $"It was relayed to a connection that has ended: {exception.Message}";
            source.Abort(ConnectionEndReason.Aborted, why);
            destination.Abort(ConnectionEndReason.Aborted, why);
            throw;
        }
    }
}
