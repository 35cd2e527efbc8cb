using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Switchboard.Linux;

namespace Switchboard.Servers;

/// <summary>Where a server listens, or whom to call. Made from an <see cref="System.Net.EndPoint"/>, or from text: <c>127.0.0.1:8009</c>,
/// <c>[::1]:8009</c>, <c>localhost:8009</c>, <c>*:8009</c> (all addresses, IPv4 and IPv6), <c>unix:/run/app.sock</c>,
/// <c>unix:@name</c> (abstract). Port 0 takes a free one. A name (<c>example.org:80</c>) can be called, but not listened on:
/// it may mean any machine.</summary>
public readonly record struct ServerAddress
{
    private const int LongestPath = 107;
    private const string Localhost = "localhost";

    private readonly EndPoint? _endPoint;
    private readonly string? _passedAs;

    /// <summary>An address that .NET knows.</summary>
    /// <param name="endPoint">IPv4, IPv6 or Unix.</param>
    public ServerAddress(EndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        _endPoint = endPoint;
    }

    private ServerAddress(int descriptor, string passedAs)
    {
        Descriptor = descriptor;
        _passedAs = passedAs;
    }

    /// <summary>The descriptor of a socket that was passed to this process; null for an address that the server binds.</summary>
    public int? Descriptor { get; }

    /// <summary>The address. Of a socket that was passed, the one that it has, with the real port.</summary>
    /// <exception cref="Linux.BadDescriptorException">It is not open.</exception>
    /// <exception cref="Linux.SystemCallException">It is not a socket.</exception>
    /// <exception cref="InvalidOperationException">No address was given, or the socket has none.</exception>
    public EndPoint EndPoint => Descriptor is { } descriptor
        ? SocketCalls.LocalAddress(descriptor).ToEndPoint() ?? throw new InvalidOperationException($"The socket {this} has no address. Bind it before it is passed on.")
        : _endPoint ?? throw new InvalidOperationException("No address was given.");

    /// <summary>True if it was written as localhost: a server's certificate then is for that name.</summary>
    internal bool IsLocalhost { get; private init; }

    /// <summary>The address, for a server that is to listen on it.</summary>
    /// <exception cref="FormatException">It is a name.</exception>
    internal EndPoint Local => EndPoint is DnsEndPoint name
        ? throw new FormatException($"'{name.Host}' in '{this}' is not an address of this machine. Write an IPv4 address, an IPv6 address in brackets, localhost, or * for all addresses.")
        : EndPoint;

    /// <summary>Reads an address.</summary>
    /// <param name="text">HOST:PORT, unix:PATH, fd:NUMBER or systemd:NAME.</param>
    /// <returns>The address.</returns>
    /// <exception cref="FormatException">The text is not an address; the message says what is.</exception>
    public static ServerAddress Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.StartsWith("unix:", StringComparison.Ordinal))
        {
            return new ServerAddress(Unix(text, text[5..]));
        }
        if (text.StartsWith("systemd:", StringComparison.Ordinal))
        {
            return new ServerAddress(SystemdSockets.Find(text[8..]).Descriptor, text);
        }
        if (text.StartsWith("fd:", StringComparison.Ordinal))
        {
            return int.TryParse(text.AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out int descriptor)
                ? new ServerAddress(descriptor, text)
                : throw new FormatException($"'{text}' names no descriptor. Write fd: and its number, fd:3 for example.");
        }
        int colon = text.LastIndexOf(':');
        if (colon < 0 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            throw new FormatException($"'{text}' is not an address. Write HOST:PORT with a port from 0 to 65535, 127.0.0.1:8009 for example, or unix:PATH, fd:NUMBER, systemd:NAME.");
        }
        string host = text[..colon];
        return new ServerAddress(IsName(host) ? new DnsEndPoint(host, port) : new IPEndPoint(Host(text, host), port)) { IsLocalhost = host == Localhost };
    }

    /// <summary>As <see cref="Parse"/>.</summary>
    /// <param name="text">HOST:PORT or unix:PATH.</param>
    public static implicit operator ServerAddress(string text) => Parse(text);

    /// <summary>As the constructor.</summary>
    /// <param name="endPoint">IPv4, IPv6 or Unix.</param>
    public static implicit operator ServerAddress(EndPoint endPoint) => new(endPoint);

    /// <summary>As the constructor.</summary>
    /// <param name="endPoint">IPv4, IPv6 or Unix.</param>
    /// <returns>The address.</returns>
    public static ServerAddress FromEndPoint(EndPoint endPoint) => new(endPoint);

    /// <summary>As the constructor.</summary>
    /// <param name="text">HOST:PORT or unix:PATH.</param>
    /// <returns>The address.</returns>
    public static ServerAddress FromString(string text) => Parse(text);

    /// <inheritdoc/>
    public override string ToString() => _passedAs ?? (_endPoint is null ? "" : Describe(_endPoint));

    /// <summary>An address as text that <see cref="Parse"/> reads.</summary>
    /// <param name="endPoint">The address.</param>
    /// <returns>HOST:PORT or unix:PATH.</returns>
    public static string Describe(EndPoint endPoint) => endPoint switch
    {
        UnixDomainSocketEndPoint => $"unix:{endPoint}",
        DnsEndPoint name => $"{name.Host}:{name.Port}",
        _ => $"{endPoint}",
    };

    private static IPAddress Host(string text, string host) => host switch
    {
        "*" => IPAddress.IPv6Any,
        Localhost => IPAddress.Loopback,
        ['[', .. var inner, ']'] when IPAddress.TryParse(inner, out IPAddress? v6) && v6.AddressFamily == AddressFamily.InterNetworkV6 => v6,
        _ when IPAddress.TryParse(host, out IPAddress? v4) && v4.AddressFamily == AddressFamily.InterNetwork => v4,
        _ => throw new FormatException($"'{host}' in '{text}' is no address. Write an IPv4 address, an IPv6 address in brackets, a host's name, or * for all addresses of this machine."),
    };

    /// <summary>True for what looks like a host's name. What ends in a number is an address, or meant for one (RFC 3696).</summary>
    private static bool IsName(string host) =>
        host != Localhost && Uri.CheckHostName(host) == UriHostNameType.Dns && host.AsSpan(host.LastIndexOf('.') + 1).ContainsAnyExceptInRange('0', '9');

    private static UnixDomainSocketEndPoint Unix(string text, string path)
    {
        if (path.Length == 0)
        {
            throw new FormatException($"'{text}' has no path. Write unix:/run/app.sock, or unix:@name for an abstract address.");
        }
        if (Encoding.UTF8.GetByteCount(path) > LongestPath)
        {
            throw new FormatException($"'{path}' is longer than {LongestPath} bytes, the most that a Unix socket's address holds. Choose a shorter path.");
        }
        return new UnixDomainSocketEndPoint(path[0] == '@' ? '\0' + path[1..] : path);
    }
}
