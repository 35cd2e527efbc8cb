namespace Switchboard.Servers;

/// <summary>What a server has done so far, at one moment.</summary>
/// <param name="Accepted">Requests taken: connections, datagrams, or sessions of datagrams.</param>
/// <param name="Open">Requests that are being served.</param>
/// <param name="Paused">How often accepting paused because descriptors or memory ran out.</param>
/// <param name="EndedBy">How many connections or sessions ended, by reason.</param>
public sealed record ServerStatistics(long Accepted, int Open, long Paused, IReadOnlyDictionary<ConnectionEndReason, long> EndedBy)
{
    /// <summary>How many datagrams were lost on this machine: the kernel's receive buffer was full, a session's queue was, there
    /// were too many sessions, a session ended before it received them, or their sender had no address to have a session
    /// by.</summary>
    public long Dropped { get; init; }

    /// <summary>How many requests a stop has ended because they still ran after the grace (<see cref="ServerOptions.Grace"/>).</summary>
    public long Cut { get; init; }

    /// <summary>What several servers have done together.</summary>
    internal static ServerStatistics Sum(IEnumerable<ServerStatistics> servers)
    {
        ServerStatistics[] all = [.. servers];
        return new(all.Sum(one => one.Accepted), all.Sum(one => one.Open), all.Sum(one => one.Paused),
            all.SelectMany(one => one.EndedBy).GroupBy(row => row.Key).ToDictionary(rows => rows.Key, rows => rows.Sum(row => row.Value)))
        {
            Dropped = all.Sum(one => one.Dropped),
            Cut = all.Sum(one => one.Cut),
        };
    }
}
