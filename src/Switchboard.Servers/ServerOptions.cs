using Microsoft.Extensions.Logging;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>How a server listens, stops and limits its callers. Read once, when the server is made.</summary>
public sealed record ServerOptions
{
    /// <summary>The server's name in log lines and thread names; null for the kind of server and its address.</summary>
    public string? Name { get; init; }

    /// <summary>How many callers may wait to be accepted. Default 1,024; the kernel caps it at net.core.somaxconn, which is
    /// logged.</summary>
    public int Backlog { get; init => field = AtLeast(value, 0); } = 1024;

    /// <summary>How the socket is made: address reuse, port reuse, dual mode, no-delay, keep-alive, each by itself.</summary>
    public ListenerOptions Socket { get; init; } = new();

    /// <summary>How long a stop lets calls go on before it ends them. Default 30 seconds.</summary>
    public TimeSpan Grace { get; init => field = Time(value); } = TimeSpan.FromSeconds(30);

    /// <summary>How long <see cref="SocketServer.HandleRequestAsync"/> waits; null for ever. Default null.</summary>
    public TimeSpan? RequestTimeout { get; init; }

    /// <summary>How often service actions run while the server serves; null for never. Default null.</summary>
    public TimeSpan? PollInterval { get; init; }

    /// <summary>A handler that blocks its event loop for longer than this is named in the log, a warning for each time.
    /// Default 1 second; 1 millisecond or more, or <see cref="Timeout.InfiniteTimeSpan"/> for never.</summary>
    public TimeSpan BlockedLoop { get; init => field = BlockedTime(value); } = TimeSpan.FromSeconds(1);

    /// <summary>What sockets of datagrams have beside <see cref="Socket"/>: buffers, groups, broadcast.</summary>
    public DatagramOptions Datagrams { get; init; } = new();

    /// <summary>How many sessions a <see cref="DatagramSessionServer"/> has, and for how long.</summary>
    public DatagramSessionOptions Sessions { get; init; } = new();

    /// <summary>The longest datagram that is taken whole, in bytes, 1 or more. Default 65,535.</summary>
    public int MaxPacketSize { get; init => field = AtLeast(value, 1); } = 65_535;

    /// <summary>What one connection may take.</summary>
    public ConnectionLimits Limits { get; init; } = ConnectionLimits.Default;

    /// <summary>How many callers are taken, and what becomes of the others.</summary>
    public CallerLimits Callers { get; init; } = CallerLimits.Default;

    /// <summary>That callers of a server of streams come through proxies, which say for whom they call; null for no PROXY protocol. Default null.
    /// A server of datagrams refuses it.</summary>
    public ProxyProtocolOptions? ProxyProtocol { get; init; }

    /// <summary>That callers of a server of streams speak TLS; null for bytes in clear. Default null. A server of datagrams
    /// refuses it.</summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>Where log records go; null for warnings and errors to standard error.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    private static int AtLeast(int value, int least)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(value, least);
        return value;
    }

    private static TimeSpan BlockedTime(TimeSpan value) => value >= TimeSpan.FromMilliseconds(1) || value == Timeout.InfiniteTimeSpan
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "The time must be 1 millisecond or more, or Timeout.InfiniteTimeSpan for never.");

    private static TimeSpan Time(TimeSpan value) => value >= TimeSpan.Zero || value == Timeout.InfiniteTimeSpan
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "The grace must be zero or more, or Timeout.InfiniteTimeSpan to wait for ever.");
}
