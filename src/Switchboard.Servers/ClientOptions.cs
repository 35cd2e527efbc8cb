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

    /// <summary>That the connection speaks TLS from its beginning, within <see cref="ConnectionLimits.Handshake"/>; null for
    /// bytes in clear. Default null.</summary>
    public TlsClientOptions? Tls { get; init; }

    private static TimeSpan Time(TimeSpan value) => value > TimeSpan.Zero || value == Timeout.InfiniteTimeSpan
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "The time must be longer than zero, or Timeout.InfiniteTimeSpan for none.");
}
