namespace Switchboard.Servers;

/// <summary>How many connections a server of streams takes, under any <see cref="Concurrency"/>, and what becomes of the
/// callers beyond.</summary>
public sealed record CallerLimits
{
    /// <summary>No limit but the descriptors of the process.</summary>
    public static CallerLimits None { get; } = new();

    /// <summary>The most connections at once, 1 or more; null for no limit. Default null.</summary>
    public int? Connections { get; init => field = AtLeastOne(value); }

    /// <summary>The most connections at once from one IP address, 1 or more; null for no limit. Default null. Callers beyond
    /// it are refused, for only an accepted caller has an address; a Unix caller has none and is not counted.</summary>
    public int? ConnectionsPerAddress { get; init => field = AtLeastOne(value); }

    /// <summary>What becomes of callers beyond <see cref="Connections"/>. Default <see cref="WhenFull.Wait"/>: they wait in
    /// the backlog.</summary>
    public WhenFull WhenFull { get; init; } = WhenFull.Wait;

    /// <summary>What a caller is sent who is refused, by one of these limits or by that of the model, before the connection
    /// is closed; empty for nothing. What does not fit into the socket at once is left out. Default empty.</summary>
    public ReadOnlyMemory<byte> LastWord { get; init; }

    private static int? AtLeastOne(int? value) => value is null or >= 1
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "A limit of connections must be 1 or more, or null for none.");
}
