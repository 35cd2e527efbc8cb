using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Where an endpoint listens: what a server's address is, with <c>udp:</c> before it for datagrams.</summary>
internal readonly record struct EndpointAddress(ServerAddress Address, bool IsDatagram)
{
    private const string Udp = "udp:";

    /// <exception cref="FormatException">It is none; the message says what is.</exception>
    internal static EndpointAddress Parse(string text) => text.StartsWith(Udp, StringComparison.Ordinal)
        ? new(ServerAddress.Parse(text[Udp.Length..]), true)
        : new(ServerAddress.Parse(text), false);

    /// <summary>The address that a server has, with the real port.</summary>
    internal static string Describe(SocketServer server) => $"{(server is UdpServer ? Udp : "")}{ServerAddress.Describe(server.LocalEndPoint!)}";
}
