namespace Switchboard.Servers;

/// <summary>What becomes of a peer that takes less than is sent to it by <see cref="Connection.TrySend"/>.</summary>
public enum SlowPeer
{
    /// <summary>It misses the message: TrySend returns false.</summary>
    Skip,
    /// <summary>Its connection ends, <see cref="ConnectionEndReason.TooSlow"/>, so that nobody goes on with a gap.</summary>
    End,
}

/// <summary>What one connection may take. <see cref="Timeout.InfiniteTimeSpan"/> switches a time limit off.</summary>
public sealed record ConnectionLimits
{
    /// <summary>The defaults.</summary>
    public static ConnectionLimits Default { get; } = new();

    /// <summary>How long all that is agreed on before the handler is made may take together: the header of the PROXY protocol,
    /// the TLS handshake. Default 5 seconds.</summary>
    public TimeSpan Handshake { get; init => field = Time(value); } = TimeSpan.FromSeconds(5);

    /// <summary>How long the peer may take for its first byte, counted from the beginning of the call (after the handshakes),
    /// while a read waits for it. Default 30 seconds. Where the peer listens first or only, make it as long as
    /// <see cref="Idle"/>. It does not count for connections that this program opens.</summary>
    public TimeSpan FirstByte { get; init => field = Time(value); } = TimeSpan.FromSeconds(30);

    /// <summary>How long a read may wait without a byte from the peer. Default 5 minutes.</summary>
    public TimeSpan Idle { get; init => field = Time(value); } = TimeSpan.FromMinutes(5);

    /// <summary>How long a write may wait while the peer's side takes no byte: over TCP confirms none, over a Unix socket reads none.
    /// Default 30 seconds. It is noticed after this time at the earliest and twice of it at the latest; of a blocking write
    /// (<see cref="BlockingRequestHandler"/>) three times. Where the kernel does not tell what was taken (<see
    /// cref="Concurrency.Tasks"/> without glibc on Linux), what counts is room in the socket.</summary>
    public TimeSpan WriteStall { get; init => field = Time(value); } = TimeSpan.FromSeconds(30);

    /// <summary>How long the whole call may take, whatever it does; what is pending then fails. A handler that computes is not
    /// interrupted. Default <see cref="Timeout.InfiniteTimeSpan"/>: as long as it likes. It does not count for connections that
    /// this program opens.</summary>
    public TimeSpan Call { get; init => field = Time(value); } = Timeout.InfiniteTimeSpan;

    /// <summary>The longest message of a framing, in bytes, 1 or more. Default 1 MiB.</summary>
    public int Message { get; init => field = Size(value); } = 1024 * 1024;

    /// <summary>How many bytes of <see cref="Connection.TrySend"/> may wait to be sent, 1 or more. Default 64 KiB.</summary>
    public int PendingSend { get; init => field = Size(value); } = 64 * 1024;

    /// <summary>What becomes of a peer for whom messages wait already when another would exceed <see cref="PendingSend"/>.
    /// Default <see cref="SlowPeer.Skip"/>.</summary>
    public SlowPeer SlowPeer { get; init; } = SlowPeer.Skip;

    private static TimeSpan Time(TimeSpan value) => value > TimeSpan.Zero || value == Timeout.InfiniteTimeSpan
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "A time limit must be longer than zero, or Timeout.InfiniteTimeSpan for none.");

    private static int Size(int value) => value > 0
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "A size limit must be 1 byte or more.");
}
