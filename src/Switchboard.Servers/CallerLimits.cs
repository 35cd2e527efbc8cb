namespace Switchboard.Servers;

/// <summary>How many connections a server of streams takes, under any <see cref="Concurrency"/>, and what becomes of the
/// callers beyond.</summary>
public sealed record CallerLimits
{
    private const int MostConnections = 16_384;

    /// <summary>The defaults.</summary>
    public static CallerLimits Default { get; } = new();

    /// <summary>No limit but the descriptors of the process.</summary>
    public static CallerLimits None { get; } = new() { Connections = null };

    /// <summary>The most connections at once, 1 or more; null for no limit but the descriptors of the process. Default 16,384.
    /// Where the process has fewer descriptors (<c>ulimit -n</c>), they are the limit, and callers beyond wait.</summary>
    public int? Connections { get; init => field = AtLeastOne(value); } = MostConnections;

    /// <summary>The most connections at once from one IP address, 1 or more; null for no limit. Default null. Callers beyond
    /// it are refused, for only an accepted caller has an address; a Unix caller has none and is not counted.</summary>
    public int? ConnectionsPerAddress { get; init => field = AtLeastOne(value); }

    /// <summary>How many leading bits of an IPv6 address <see cref="ConnectionsPerAddress"/> looks at, 1 to 128. Default 64:
    /// one customer's network is given that many addresses, and may call from any of them. An IPv4 address that is written as
    /// an IPv6 one counts as IPv4, whole.</summary>
    public int IPv6Prefix
    {
        get;
        init => field = value is >= 1 and <= 128
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, "IPv6Prefix must be from 1 to 128 bits.");
    } = 64;

    /// <summary>The most callers that are accepted in a second, 1 or more; null for no limit. Default null. Those beyond wait
    /// in the backlog, whatever <see cref="WhenFull"/> says: the listener is not watched meanwhile. Under <see
    /// cref="Concurrency.Tasks"/> the base library has taken the next one from there already; it waits as well. Callers who are
    /// then refused or turned away count too. Of a <see cref="UdpServer"/> or <see cref="UnixDatagramServer"/> each datagram
    /// counts, and those beyond wait in the socket's receive buffer; a <see cref="UdpSessionServer"/> refuses the limit.</summary>
    public int? AcceptsPerSecond { get; init => field = AtLeastOne(value); }

    /// <summary>How many callers may be accepted at once after a time without any, 1 or more; null for as many as
    /// <see cref="AcceptsPerSecond"/>. Default null.</summary>
    public int? AcceptBurst { get; init => field = AtLeastOne(value); }

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
