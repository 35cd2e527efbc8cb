namespace Switchboard.Servers;

/// <summary>How many sessions a <see cref="DatagramSessionServer"/> has, what waits in each, and for how long they are kept.</summary>
/// <remarks>What waits takes at most <see cref="Sessions"/> times <see cref="Queue"/> times
/// <see cref="ServerOptions.MaxPacketSize"/> bytes, and up to twice that where handlers go on for long after the end of their
/// sessions. A sender's address can be forged, so that limits are all that keeps
/// strangers from taking it: lower them where the datagrams are large.</remarks>
public sealed record DatagramSessionOptions
{
    private const int MostSessions = 1024;
    private const int MostQueued = 64;

    /// <summary>The most sessions at once, 1 or more; under <see cref="Concurrency.Threads"/> fewer than its limit. Default 1,024.
    /// Datagrams of further peers are dropped and counted. A session counts until its handler has returned.</summary>
    public int Sessions { get; init => field = AtLeastOne(value, nameof(Sessions)); } = MostSessions;

    /// <summary>The most sessions at once with peers on one IP address, 1 or more; null for no limit. Default null: behind one
    /// address may be many. Datagrams of further peers are dropped and counted. Of an IPv6 address
    /// <see cref="CallerLimits.IPv6Prefix"/> bits count. Unix peers have none, so their server refuses it.</summary>
    public int? SessionsPerAddress { get; init => field = value is { } most ? AtLeastOne(most, nameof(SessionsPerAddress)) : null; }

    /// <summary>The most datagrams that wait in one session, 1 or more. Default 64. When so many wait, the newest is dropped and
    /// counted.</summary>
    public int Queue { get; init => field = AtLeastOne(value, nameof(Queue)); } = MostQueued;

    /// <summary>A session ends when its peer has sent nothing for so long, more than zero. Default 1 minute;
    /// <see cref="Timeout.InfiniteTimeSpan"/> for never. What the handler sends does not count.</summary>
    public TimeSpan Idle
    {
        get;
        init => field = value > TimeSpan.Zero || value == Timeout.InfiniteTimeSpan
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, "DatagramSessionOptions.Idle must be more than zero, or Timeout.InfiniteTimeSpan for never.");
    } = TimeSpan.FromMinutes(1);

    private static int AtLeastOne(int value, string name) => value >= 1
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, $"DatagramSessionOptions.{name} must be 1 or more.");
}
