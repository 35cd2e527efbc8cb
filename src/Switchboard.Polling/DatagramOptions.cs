using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>How a datagram socket is made, beside <see cref="ListenerOptions"/>. Unix sockets heed the buffers only.</summary>
public sealed record DatagramOptions
{
    // Not more than a server takes from one listener in a turn: a batch that it left half done would wait for the next event.
    private const int LargestBatch = 32;

    /// <summary>SO_REUSEADDR: let other sockets that set it too have the same address and port. All of them get what is sent
    /// to a group or broadcast; anything else goes to one of them. Default false: a second server is refused.</summary>
    public bool ReuseAddress { get; init; }

    /// <summary>SO_RCVBUF, in bytes, 1 or more: how much may wait in the kernel before datagrams are lost. It counts more
    /// than their bytes. Null for net.core.rmem_default; the kernel caps it at net.core.rmem_max. Default null.</summary>
    public int? ReceiveBuffer { get; init => field = AtLeastOne(value); }

    /// <summary>SO_SNDBUF, in bytes, 1 or more: how much may be on its way out before a send waits. Null for
    /// net.core.wmem_default; the kernel caps it at net.core.wmem_max. Default null.</summary>
    public int? SendBuffer { get; init => field = AtLeastOne(value); }

    /// <summary>How many datagrams an event loop takes with one call at most, 1 to 32 (<c>recvmmsg(2)</c>). Models without a loop
    /// take one: what no call serves yet stays in the kernel there. Default 32.</summary>
    public int ReceiveBatch
    {
        get;
        init => field = value is >= 1 and <= LargestBatch ? value : throw new ArgumentOutOfRangeException(nameof(value), value, $"DatagramOptions.ReceiveBatch must be from 1 to {LargestBatch}.");
    } = LargestBatch;

    /// <summary>SO_BROADCAST: may send to broadcast addresses. What is broadcast is received in any case, by a socket on all
    /// addresses. Default false.</summary>
    public bool Broadcast { get; init; }

    /// <summary>The multicast groups whose datagrams are received. Default none. A socket gets those of its own groups only,
    /// not of those that others on the machine have joined (IP_MULTICAST_ALL off).</summary>
    public IReadOnlyList<MulticastGroup> Groups { get; init; } = [];

    /// <summary>The network interface by which datagrams to groups leave: <c>eth0</c> for example. Null for that of the
    /// route. Default null.</summary>
    public string? MulticastInterface { get; init; }

    /// <summary>How many networks a datagram to a group may pass, 0 to 255 (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS). Default 1:
    /// it stays in the local one.</summary>
    public int MulticastHops { get; init => field = value is >= 0 and <= 255 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "DatagramOptions.MulticastHops must be from 0 to 255."); } = 1;

    /// <summary>Whether datagrams to groups reach members on this machine too (IP_MULTICAST_LOOP). Default true.</summary>
    public bool MulticastLoopback { get; init; } = true;

    private static int? AtLeastOne(int? value) => value is null or >= 1
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "A buffer must have 1 byte or more; null leaves it to the system.");
}

/// <summary>A multicast group that a socket receives from.</summary>
public sealed record MulticastGroup
{
    /// <summary>A group of an address.</summary>
    /// <param name="address">224.0.0.0 to 239.255.255.255, or an IPv6 address that begins with ff.</param>
    /// <exception cref="ArgumentException">It is no multicast address.</exception>
    public MulticastGroup(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        bool isGroup = address.AddressFamily == AddressFamily.InterNetwork ? address.GetAddressBytes()[0] is >= 224 and <= 239 : address.IsIPv6Multicast;
        Address = isGroup ? address : throw new ArgumentException($"{address} is no multicast group. Those of IPv4 are 224.0.0.0 to 239.255.255.255, those of IPv6 begin with ff.", nameof(address));
    }

    /// <summary>A group of an address as text.</summary>
    /// <param name="address">As above.</param>
    /// <exception cref="ArgumentException">It is no multicast address.</exception>
    public MulticastGroup(string address)
        : this(IPAddress.TryParse(address, out IPAddress? parsed) ? parsed : throw new ArgumentException($"'{address}' is no IP address.", nameof(address)))
    {
    }

    /// <summary>The group's address.</summary>
    public IPAddress Address { get; }

    /// <summary>The network interface on which to listen: <c>eth0</c> for example. Null for that of the route to the group.
    /// Default null.</summary>
    public string? Interface { get; init; }

    /// <summary>The only sender whose datagrams are received (source-specific multicast, RFC 4607); null for any. Default
    /// null. The group may be given several times with different sources.</summary>
    public IPAddress? Source { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Address}{(Interface is null ? "" : $" on {Interface}")}{(Source is null ? "" : $" from {Source}")}";

    internal static int NumberOf(string networkInterface) => SocketCalls.InterfaceNumber(networkInterface) is var number and > 0
        ? number
        : throw new ArgumentException($"There is no network interface '{networkInterface}' here; there are {string.Join(", ", NetworkInterface.GetAllNetworkInterfaces().Select(one => one.Name))}.");
}
