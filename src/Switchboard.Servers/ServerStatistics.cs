namespace Switchboard.Servers;

/// <summary>What a server has done so far, at one moment.</summary>
/// <param name="Accepted">Requests taken: connections, or datagrams.</param>
/// <param name="Open">Requests that are being served.</param>
/// <param name="Paused">How often accepting paused because descriptors or memory ran out.</param>
/// <param name="EndedBy">How many connections ended, by reason.</param>
public sealed record ServerStatistics(long Accepted, int Open, long Paused, IReadOnlyDictionary<ConnectionEndReason, long> EndedBy);
