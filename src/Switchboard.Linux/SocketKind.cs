using System.Net.Sockets;

namespace Switchboard.Linux;

/// <summary>What a socket is, as the kernel says it.</summary>
/// <param name="Family">IPv4, IPv6 or Unix; <see cref="AddressFamily.Unknown"/> for any other.</param>
/// <param name="Type">Stream, datagram or sequenced packet; <see cref="SocketType.Unknown"/> for any other.</param>
/// <param name="IsListening">True if it takes callers.</param>
/// <param name="IsConnected">True if it has a peer.</param>
public readonly record struct SocketKind(AddressFamily Family, SocketType Type, bool IsListening, bool IsConnected);

public static partial class SocketCalls
{
    private const int OptionType = 3;
    private const int OptionAcceptsCallers = 30;
    private const int OptionDomain = 39;

    /// <summary>What a socket is that somebody else has made: SO_DOMAIN, SO_TYPE and SO_ACCEPTCONN of <c>socket(7)</c>, and
    /// whether it has a peer.</summary>
    /// <param name="descriptor">An open descriptor.</param>
    /// <returns>Its kind.</returns>
    /// <exception cref="BadDescriptorException">It is not open.</exception>
    /// <exception cref="SystemCallException">It is not a socket (ENOTSOCK).</exception>
    public static SocketKind Kind(int descriptor)
    {
        string subject = $"descriptor {descriptor}";
        int type = GetOption(descriptor, LevelSocket, OptionType).OrThrow("getsockopt", subject);
        int domain = GetOption(descriptor, LevelSocket, OptionDomain).OrThrow("getsockopt", subject);
        int listens = GetOption(descriptor, LevelSocket, OptionAcceptsCallers).OrThrow("getsockopt", subject);
        return new SocketKind(
            domain switch { 1 => AddressFamily.Unix, 2 => AddressFamily.InterNetwork, 10 => AddressFamily.InterNetworkV6, _ => AddressFamily.Unknown },
            type switch { 1 => SocketType.Stream, 2 => SocketType.Dgram, 5 => SocketType.Seqpacket, _ => SocketType.Unknown },
            listens != 0,
            PeerAddress(descriptor, out _).Succeeded);
    }
}
