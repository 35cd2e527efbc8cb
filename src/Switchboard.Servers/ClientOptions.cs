using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>How this program connects to a server (<see cref="Connection.ConnectAsync"/>).</summary>
public sealed record ClientOptions
{
    /// <summary>The defaults.</summary>
    public static ClientOptions Default { get; } = new();

    /// <summary>What the connection may take, as a server's connections may.</summary>
    public ConnectionLimits Limits { get; init; } = ConnectionLimits.Default;

    /// <summary>How long connecting may take in all: finding the addresses of a name, trying each, and the TLS handshake, which
    /// <see cref="ConnectionLimits.Handshake"/> limits too. Default 15 seconds;
    /// longer than zero, or <see cref="Timeout.InfiniteTimeSpan"/> for as long as the kernel tries.</summary>
    public TimeSpan ConnectTimeout { get; init => field = Time(value); } = TimeSpan.FromSeconds(15);

    /// <summary>The connection's own address: an address of this machine, with port 0 for a free one, or the path of a Unix
    /// socket. Addresses of the server that are of another family are then not tried. Null for what the kernel chooses.
    /// Default null.</summary>
    public ServerAddress? From { get; init; }

    /// <summary>TCP_NODELAY: small pieces are sent at once. Default true.</summary>
    public bool NoDelay { get; init; } = true;

    /// <summary>SO_KEEPALIVE: a silent peer is probed. Default true.</summary>
    public bool KeepAlive { get; init; } = true;

    /// <summary>TCP_KEEPIDLE: how long the connection is silent before the kernel asks whether the peer is still there; 1 second to
    /// 32,767 seconds, rounded up to whole seconds. Default 2 minutes; without it the kernel asks after 2 hours. Nothing if
    /// <see cref="KeepAlive"/> is off, and on Unix sockets. Source: <c>tcp(7)</c>.</summary>
    public TimeSpan KeepAliveTime { get; init => field = PeerProbing.CheckedTime(value); } = PeerProbing.StandardTime;

    /// <summary>TCP_KEEPINTVL: the time between two questions; 1 second to 32,767 seconds, rounded up to whole seconds. Default 15
    /// seconds.</summary>
    public TimeSpan KeepAliveInterval { get; init => field = PeerProbing.CheckedTime(value); } = PeerProbing.StandardInterval;

    /// <summary>TCP_KEEPCNT: after so many questions without an answer the connection is given up, <see
    /// cref="ConnectionEndReason.Reset"/>; 1 to 127. Default 4.</summary>
    public int KeepAliveProbes { get; init => field = PeerProbing.CheckedProbes(value); } = PeerProbing.StandardProbes;

    /// <summary>TCP_USER_TIMEOUT: how long what was sent may stay unconfirmed by the peer before the connection is given up; 1
    /// millisecond to 24 days, rounded up to whole milliseconds. It counts for a peer that takes nothing too, and takes the place
    /// of <see cref="KeepAliveProbes"/>. Null for the kernel's retries, some 15 minutes. Default null. Linux only. Source:
    /// <c>tcp(7)</c>.</summary>
    public TimeSpan? UserTimeout { get; init => field = PeerProbing.CheckedUserTimeout(value); }

    /// <summary>That the connection speaks TLS from its beginning, within <see cref="ConnectionLimits.Handshake"/>; null for
    /// bytes in clear. Default null.</summary>
    public TlsClientOptions? Tls { get; init; }

    internal PeerProbing Probing => new(KeepAlive, KeepAliveTime, KeepAliveInterval, KeepAliveProbes, UserTimeout);

    private static TimeSpan Time(TimeSpan value) => value > TimeSpan.Zero || value == Timeout.InfiniteTimeSpan
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "The time must be longer than zero, or Timeout.InfiniteTimeSpan for none.");
}
