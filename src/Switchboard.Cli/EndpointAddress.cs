using System.Net;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Where an endpoint listens: what a server's address is, with <c>udp:</c> before it for datagrams.</summary>
internal readonly record struct EndpointAddress(ServerAddress Address, bool IsDatagram)
{
    private const string Udp = "udp:";
    private const string Descriptor = "fd:";
    private const string Systemd = "systemd:";

    /// <exception cref="FormatException">It is none; the message says what is.</exception>
    internal static EndpointAddress Parse(string text)
    {
        (string where, bool isDatagram) = Split(text);
        var address = ServerAddress.Parse(where);
        return address.Descriptor is null && address.EndPoint is DnsEndPoint name
            ? throw new FormatException($"'{name.Host}' in '{text}' is not an address of this machine. Write an IPv4 address, an IPv6 address in brackets, localhost, or * for all addresses.")
            : new(address, isDatagram);
    }

    /// <summary>Looks whether it is one. Whether a socket was passed shows when it is served.</summary>
    /// <exception cref="FormatException">It is none; the message says what is.</exception>
    internal static void Check(string text)
    {
        if (!IsPassed(text))
        {
            Parse(text);
        }
        else if (Split(text).Where is Descriptor or Systemd)
        {
            throw new FormatException($"'{text}' names no socket. Write {Descriptor}NUMBER, or {Systemd}NAME or {Systemd}INDEX.");
        }
    }

    /// <summary>True for a socket that whoever starts the program passes on.</summary>
    internal static bool IsPassed(string text) => Split(text).Where is var where
        && (where.StartsWith(Descriptor, StringComparison.Ordinal) || where.StartsWith(Systemd, StringComparison.Ordinal));

    internal static EndpointKinds KindsOf(string text) => Split(text) switch
    {
        (_, true) => EndpointKinds.Udp,
        _ when IsPassed(text) => EndpointKinds.Streams,
        var (where, _) => where.StartsWith("unix:", StringComparison.Ordinal) ? EndpointKinds.Unix : EndpointKinds.Tcp,
    };

    /// <summary>The address that a server has, with the real port.</summary>
    internal static string Describe(SocketServer server) => $"{(server is UdpServer or UdpSessionServer ? Udp : "")}{ServerAddress.Describe(server.LocalEndPoint!)}";

    private static (string Where, bool IsDatagram) Split(string text) =>
        text.StartsWith(Udp, StringComparison.Ordinal) ? (text[Udp.Length..], true) : (text, false);
}
