using System.Net;

namespace Switchboard.Servers;

/// <summary>What becomes of a caller who comes from elsewhere than <see cref="ProxyProtocolOptions.Trusted"/>.</summary>
public enum UntrustedSender
{
    /// <summary>Its connection ends at once, with <see cref="ConnectionEndReason.HandshakeFailed"/>.</summary>
    Refuse,
    /// <summary>It is served as if there were no PROXY protocol: under its own address, and what it sends is the handler's.</summary>
    Serve,
}

/// <summary>That callers come through proxies, which say for whom they call by a header of the PROXY protocol before
/// anything else: version 1 (a line of text) or 2 (binary). Source: HAProxy's document <c>proxy-protocol.txt</c>.</summary>
/// <remarks>The header is taken within <see cref="ConnectionLimits.Handshake"/>, before a TLS handshake and before the handler is
/// made. Every trusted sender must send one: as the document says, nobody guesses whether it is there.</remarks>
public sealed record ProxyProtocolOptions
{
    /// <summary>Trusts the networks that are named.</summary>
    /// <param name="trusted">Where proxies call from, for <see cref="Trusted"/>: <c>10.0.0.0/8</c>, <c>::1/128</c>, or an address.</param>
    /// <returns>The options.</returns>
    /// <exception cref="FormatException">A text is neither a network nor an address; the message says which.</exception>
    public static ProxyProtocolOptions From(params IEnumerable<string> trusted)
    {
        ArgumentNullException.ThrowIfNull(trusted);
        return new() { Trusted = [.. trusted.Select(Parse)] };
    }

    /// <summary>The networks whose callers are believed. Callers on a Unix socket are always believed: who may connect, its
    /// file's mode decides. Default empty: nobody else is.</summary>
    public IReadOnlyList<IPNetwork> Trusted { get; init; } = [];

    /// <summary>What becomes of others. Default <see cref="UntrustedSender.Refuse"/>.</summary>
    public UntrustedSender Untrusted { get; init; } = UntrustedSender.Refuse;

    internal bool Trusts(EndPoint? sender)
    {
        if (sender is not IPEndPoint { Address: var address })
        {
            return true;
        }
        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return Trusted.Any(network => network.Contains(address));
    }

    private static IPNetwork Parse(string text) => IPNetwork.TryParse(text, out IPNetwork network) ? network
        : IPAddress.TryParse(text, out IPAddress? address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
        : throw new FormatException($"'{text}' is not a network. Write an address (10.0.0.7), or a network by its first address and its length (10.0.0.0/8).");
}
