namespace Switchboard.Servers;

/// <summary>Bytes of all connections, one direction: what the ended ones counted, and what the open ones have so far. It never
/// goes back. Any thread.</summary>
internal sealed class ByteCount
{
    private long _ended;
    private long _told;

    /// <summary>A connection has ended.</summary>
    internal void Add(long bytes) => Interlocked.Add(ref _ended, bytes);

    /// <summary>The sum now.</summary>
    internal long Sum(Connection[] open, Func<Connection, long> bytes)
    {
        long sum = Interlocked.Read(ref _ended);
        foreach (Connection connection in open)
        {
            // One that ended in between is in neither sum, or was counted already: the next one has it.
            if (!connection.HasEnded)
            {
                sum += bytes(connection);
            }
        }
        long told = Interlocked.Read(ref _told);
        while (sum > told)
        {
            long before = Interlocked.CompareExchange(ref _told, sum, told);
            if (before == told)
            {
                return sum;
            }
            told = before;
        }
        return told;
    }
}
