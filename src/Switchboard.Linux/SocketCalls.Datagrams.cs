using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Switchboard.Linux;

// What only datagram sockets need: groups, the way of an answer, and what was lost.
public static partial class SocketCalls
{
    private const int LevelIPv4 = 0;
    private const int JoinGroup = 42;
    private const int LeaveGroup = 45;
    private const int JoinSource = 46;
    private const int LeaveSource = 47;
    private const int InterfaceIPv4 = 32;
    private const int InterfaceIPv6 = 17;
    private const int OptionMemoryInfo = 55;

    /// <summary>Sends one datagram by the way that another came, as <c>sendmsg(2)</c> with MSG_NOSIGNAL: from the address that
    /// was asked.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="source">The datagram.</param>
    /// <param name="peer">Whom to.</param>
    /// <param name="path">The way; where it is not known the kernel chooses.</param>
    /// <param name="flags">How.</param>
    /// <returns>The count sent, or the error.</returns>
    public static unsafe CallResult SendTo(int descriptor, ReadOnlySpan<byte> source, in NativeAddress peer, in DatagramPath path, SocketCallFlags flags = SocketCallFlags.None)
    {
        byte* control = stackalloc byte[DatagramPath.MostBytes];
        int length = path.Write(new Span<byte>(control, DatagramPath.MostBytes));
        if (length == 0)
        {
            return SendTo(descriptor, source, peer, flags);
        }
        fixed (byte* p = source)
        fixed (NativeAddress* to = &peer)
        {
            DatagramBatch.Part part = new() { Start = p, Length = source.Length };
            DatagramBatch.Header header = new()
            {
                Name = (byte*)to,
                NameLength = (uint)to->Length,
                Parts = &part,
                PartCount = 1,
                Control = control,
                ControlLength = (nuint)length,
            };
            CallResult result;
            do
            {
                result = CallResult.Of(sendmsg(descriptor, &header, (int)flags | NoSignal));
            }
            while (result.Errno == Errno.Interrupted);
            return result;
        }
    }

    /// <summary>Has a socket receive what is sent to a multicast group, or no longer (MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP and
    /// their forms with a source; <c>ip(7)</c>, RFC 3678).</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="group">The group, IPv4 or IPv6.</param>
    /// <param name="networkInterface">The number of the interface; 0 for that of the route.</param>
    /// <param name="source">Whose datagrams only; null for anybody's.</param>
    /// <param name="join">True to join, false to leave.</param>
    /// <returns>Success or the error: EADDRINUSE if it is joined already, EADDRNOTAVAIL if it was not.</returns>
    public static unsafe CallResult ChangeGroup(int descriptor, IPAddress group, int networkInterface, IPAddress? source, bool join)
    {
        ArgumentNullException.ThrowIfNull(group);
        const int First = 8;
        const int AddressSize = 128;
        Span<byte> request = stackalloc byte[First + (2 * AddressSize)];
        request.Clear();
        MemoryMarshal.Write(request, networkInterface);
        Put(group, request[First..]);
        if (source is not null)
        {
            Put(source, request[(First + AddressSize)..]);
        }
        int level = group.AddressFamily == AddressFamily.InterNetwork ? LevelIPv4 : LevelIPv6;
        int name = source is null ? (join ? JoinGroup : LeaveGroup) : (join ? JoinSource : LeaveSource);
        fixed (byte* p = request)
        {
            return CallResult.Of(setsockopt(descriptor, level, name, p, First + ((source is null ? 1 : 2) * AddressSize)));
        }

        static void Put(IPAddress address, Span<byte> at)
        {
            SocketAddress native = new IPEndPoint(address, 0).Serialize();
            native.Buffer.Span[..native.Size].CopyTo(at);
        }
    }

    /// <summary>Chooses the interface by which datagrams to multicast groups leave (IP_MULTICAST_IF, IPV6_MULTICAST_IF).</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="family">IPv4 or IPv6: for groups of which.</param>
    /// <param name="networkInterface">The number of the interface.</param>
    /// <returns>Success or the error.</returns>
    public static unsafe CallResult SetMulticastInterface(int descriptor, AddressFamily family, int networkInterface)
    {
        // struct ip_mreqn: no group, no address, the number.
        int* request = stackalloc int[3] { 0, 0, networkInterface };
        return CallResult.Of(family == AddressFamily.InterNetwork
            ? setsockopt(descriptor, LevelIPv4, InterfaceIPv4, request, 3 * sizeof(int))
            : setsockopt(descriptor, LevelIPv6, InterfaceIPv6, &networkInterface, sizeof(int)));
    }

    /// <summary>How many datagrams the kernel has dropped because the socket's receive buffer was full, or because they were
    /// damaged (SO_MEMINFO, <c>socket(7)</c>).</summary>
    /// <param name="descriptor">The socket.</param>
    /// <returns>The count since the socket was made, which wraps, or the error.</returns>
    public static unsafe CallResult Dropped(int descriptor)
    {
        const int Fields = 9;
        const int Drops = 8;
        uint* fields = stackalloc uint[Fields];
        new Span<uint>(fields, Fields).Clear();
        int length = Fields * sizeof(uint);
        CallResult result = CallResult.Of(getsockopt(descriptor, LevelSocket, OptionMemoryInfo, (int*)fields, &length));
        return result.Succeeded ? CallResult.Success((int)(fields[Drops] & int.MaxValue)) : result;
    }

    /// <summary>The number of a network interface, as <c>if_nametoindex(3)</c>.</summary>
    /// <param name="name">Its name: <c>eth0</c> for example.</param>
    /// <returns>The number, or 0 if there is none of that name.</returns>
    public static int InterfaceNumber(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return (int)if_nametoindex(name);
    }

    [LibraryImport(LibC.Name)]
    private static unsafe partial nint sendmsg(int descriptor, DatagramBatch.Header* message, int flags);

    [LibraryImport(LibC.Name, StringMarshalling = StringMarshalling.Utf8)]
    private static partial uint if_nametoindex(string name);
}
