using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Polling;

public static partial class BoundSocket
{
    /// <summary>Makes a non-blocking datagram socket and binds it, as <see cref="Create"/>, and joins its groups. An IP socket
    /// on all addresses tells of each datagram which one it came to.</summary>
    /// <param name="address">IPv4, IPv6 or Unix.</param>
    /// <param name="options">How.</param>
    /// <param name="datagrams">What datagram sockets have beside that. It decides about address reuse.</param>
    /// <returns>The socket; the caller disposes it.</returns>
    /// <exception cref="AddressInUseException">Somebody else has the address.</exception>
    /// <exception cref="ArgumentException">There is no such network interface, or a group is of another family than the socket.</exception>
    /// <exception cref="SystemCallException">The kernel refused.</exception>
    public static DescriptorHandle CreateDatagram(EndPoint address, ListenerOptions options, DatagramOptions datagrams)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(datagrams);
        return Configured(Create(address, SocketType.Dgram, options with { ReuseAddress = datagrams.ReuseAddress }), address, datagrams);
    }

    /// <summary>Takes a datagram socket that another program has bound and passed on, as <see cref="Adopt"/>, with sizes, groups
    /// and the like as <see cref="CreateDatagram"/> sets them.</summary>
    /// <param name="descriptor">The descriptor that was passed; it stays open.</param>
    /// <param name="options">How.</param>
    /// <param name="datagrams">What datagram sockets have beside that; address reuse was the other program's to decide.</param>
    /// <returns>A descriptor of this process's own; the caller disposes it.</returns>
    /// <exception cref="BadDescriptorException">It is not open.</exception>
    /// <exception cref="ArgumentException">There is no such network interface, or a group is of another family than the socket.</exception>
    /// <exception cref="SystemCallException">It is not a datagram socket, or the kernel refused.</exception>
    public static DescriptorHandle AdoptDatagram(int descriptor, ListenerOptions options, DatagramOptions datagrams)
    {
        ArgumentNullException.ThrowIfNull(datagrams);
        DescriptorHandle handle = Adopt(descriptor, SocketType.Dgram, options);
        return Configured(handle, SocketCalls.LocalAddress(handle.Number).ToEndPoint(), datagrams);
    }

    private static DescriptorHandle Configured(DescriptorHandle handle, EndPoint? address, DatagramOptions datagrams)
    {
        try
        {
            int descriptor = handle.Number;
            Size(descriptor, SocketCallOption.ReceiveBuffer, datagrams.ReceiveBuffer);
            Size(descriptor, SocketCallOption.SendBuffer, datagrams.SendBuffer);
            if (address is IPEndPoint ip)
            {
                bool hasIPv6 = ip.AddressFamily == AddressFamily.InterNetworkV6;
                Set(descriptor, SocketCallOption.Broadcast, datagrams.Broadcast);
                // A socket for both families has the options of both.
                Configure(descriptor, AddressFamily.InterNetwork, ip, datagrams);
                if (hasIPv6)
                {
                    Configure(descriptor, AddressFamily.InterNetworkV6, ip, datagrams);
                }
                foreach (MulticastGroup group in datagrams.Groups)
                {
                    ChangeGroup(descriptor, group, join: true);
                }
            }
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Has a socket receive what is sent to a group, or no longer.</summary>
    internal static void ChangeGroup(int descriptor, MulticastGroup group, bool join)
    {
        int number = group.Interface is { } name ? MulticastGroup.NumberOf(name) : 0;
        CallResult result = SocketCalls.ChangeGroup(descriptor, group.Address, number, group.Source, join);
        if (result.Errno is Errno.NoProtocolOption or Errno.InvalidArgument && group.Address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            throw new ArgumentException($"The group {group} is one of IPv6, and the socket is one of IPv4. Bind it to an IPv6 address, [::]:PORT for example.");
        }
        result.OrThrow(join ? "joining the multicast group" : "leaving the multicast group", group.ToString());
    }

    private static void Configure(int descriptor, AddressFamily family, IPEndPoint address, DatagramOptions options)
    {
        bool isIPv4 = family == AddressFamily.InterNetwork;
        if (address.Address.Equals(IPAddress.Any) || address.Address.Equals(IPAddress.IPv6Any))
        {
            Set(descriptor, isIPv4 ? SocketCallOption.IPv4PacketInfo : SocketCallOption.IPv6PacketInfo, 1);
        }
        Set(descriptor, isIPv4 ? SocketCallOption.IPv4MulticastAll : SocketCallOption.IPv6MulticastAll, 0);
        if (options.MulticastHops != 1)
        {
            Set(descriptor, isIPv4 ? SocketCallOption.IPv4MulticastHops : SocketCallOption.IPv6MulticastHops, options.MulticastHops);
        }
        if (!options.MulticastLoopback)
        {
            Set(descriptor, isIPv4 ? SocketCallOption.IPv4MulticastLoopback : SocketCallOption.IPv6MulticastLoopback, 0);
        }
        if (options.MulticastInterface is { } name)
        {
            SocketCalls.SetMulticastInterface(descriptor, family, MulticastGroup.NumberOf(name)).OrThrow("setsockopt", $"DatagramOptions.MulticastInterface {name}");
        }
    }

    private static void Size(int descriptor, SocketCallOption option, int? bytes)
    {
        if (bytes is { } size)
        {
            Set(descriptor, option, size);
        }
    }
}
