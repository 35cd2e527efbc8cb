using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>Flags of <c>recv(2)</c> and <c>send(2)</c>.</summary>
[Flags]
public enum SocketCallFlags
{
    /// <summary>None: the call waits unless the socket is non-blocking.</summary>
    None = 0,
    /// <summary>MSG_PEEK: leave what is read in the socket.</summary>
    Peek = 2,
    /// <summary>MSG_DONTWAIT: this call does not wait, whatever the socket's mode.</summary>
    DontWait = 0x40,
    /// <summary>MSG_TRUNC: of a datagram, answer its whole length even if it did not fit.</summary>
    Truncate = 0x20,
}

/// <summary>Options of sockets, each set by itself with <c>setsockopt(2)</c>.</summary>
public enum SocketCallOption
{
    /// <summary>SO_REUSEADDR: bind although old connections are in TIME_WAIT. Does not share a listening port on Linux.</summary>
    ReuseAddress,
    /// <summary>SO_REUSEPORT: share the port with other sockets of the same user that set it too.</summary>
    ReusePort,
    /// <summary>TCP_NODELAY: send small pieces at once.</summary>
    NoDelay,
    /// <summary>SO_KEEPALIVE: probe a silent peer.</summary>
    KeepAlive,
    /// <summary>IPV6_V6ONLY: an IPv6 socket takes no IPv4 callers.</summary>
    IPv6Only,
    /// <summary>SO_BROADCAST: may send to broadcast addresses.</summary>
    Broadcast,
    /// <summary>SO_RCVBUF: the receive buffer, in bytes; the kernel doubles it.</summary>
    ReceiveBuffer,
    /// <summary>SO_SNDBUF: the send buffer, in bytes; the kernel doubles it.</summary>
    SendBuffer,
    /// <summary>TCP_KEEPIDLE: how long a connection is silent before the first probe, in seconds.</summary>
    KeepAliveTime,
    /// <summary>TCP_KEEPINTVL: the time between probes, in seconds.</summary>
    KeepAliveInterval,
    /// <summary>TCP_KEEPCNT: how many probes in a row go unanswered before the connection is given up.</summary>
    KeepAliveProbes,
    /// <summary>TCP_USER_TIMEOUT: how long sent data may stay unconfirmed before the connection is given up, in milliseconds;
    /// 0 for what the kernel's retries come to.</summary>
    UserTimeout,
    /// <summary>IP_PKTINFO: tell of each IPv4 datagram which address it was sent to.</summary>
    IPv4PacketInfo,
    /// <summary>IPV6_RECVPKTINFO: tell of each IPv6 datagram which address it was sent to.</summary>
    IPv6PacketInfo,
    /// <summary>IP_MULTICAST_TTL: how many networks a datagram to an IPv4 group may pass, 0 to 255.</summary>
    IPv4MulticastHops,
    /// <summary>IPV6_MULTICAST_HOPS: how many networks a datagram to an IPv6 group may pass, 0 to 255.</summary>
    IPv6MulticastHops,
    /// <summary>IP_MULTICAST_LOOP: datagrams to IPv4 groups reach this machine's own members too.</summary>
    IPv4MulticastLoopback,
    /// <summary>IPV6_MULTICAST_LOOP: datagrams to IPv6 groups reach this machine's own members too.</summary>
    IPv6MulticastLoopback,
    /// <summary>IP_MULTICAST_ALL: receive what is sent to IPv4 groups that any other socket has joined. On unless set off.</summary>
    IPv4MulticastAll,
    /// <summary>IPV6_MULTICAST_ALL: receive what is sent to IPv6 groups that any other socket has joined. On unless set off.</summary>
    IPv6MulticastAll,
    /// <summary>IP_BIND_ADDRESS_NO_PORT: to bind an address with port 0 leaves the port to connect, which then may take any
    /// that is free towards that peer.</summary>
    BindAddressNoPort,
}

/// <summary>System calls on sockets: <c>socket(2)</c>, <c>bind(2)</c>, <c>listen(2)</c>, <c>accept4(2)</c>,
/// <c>connect(2)</c>, <c>recv(2)</c>, <c>send(2)</c> and their kin. New sockets are close-on-exec and blocking unless
/// said otherwise. Every call may be made from any thread; a call interrupted by a signal is made again, but for
/// <c>connect</c>. Sending never raises SIGPIPE.</summary>
public static partial class SocketCalls
{
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int NoSignal = 0x4000;
    private const int LevelSocket = 1;
    private const int LevelTcp = 6;
    private const int LevelIPv6 = 41;
    private const int OptionError = 4;
    private const int OptionInfo = 11;
    private const int OptionLinger = 13;
    private const int OptionReceiveTimeout = 20;
    private const int OptionSendTimeout = 21;

    /// <summary>Makes a socket, as <c>socket(2)</c>.</summary>
    /// <param name="family">IPv4, IPv6 or Unix.</param>
    /// <param name="type">Stream, datagram or sequenced packet.</param>
    /// <param name="nonBlocking">True for a non-blocking one.</param>
    /// <returns>The socket; the caller disposes it.</returns>
    /// <exception cref="SystemCallException">The kernel refused.</exception>
    public static DescriptorHandle Create(AddressFamily family, SocketType type, bool nonBlocking = false)
    {
        int domain = family switch
        {
            AddressFamily.InterNetwork => 2,
            AddressFamily.InterNetworkV6 => 10,
            AddressFamily.Unix => 1,
            _ => throw new ArgumentOutOfRangeException(nameof(family), family, "The address family must be IPv4, IPv6 or Unix."),
        };
        int kind = type switch
        {
            SocketType.Stream => 1,
            SocketType.Dgram => 2,
            SocketType.Seqpacket => 5,
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "The socket type must be stream, datagram or sequenced packet."),
        };
        return new DescriptorHandle(CallResult.Of(socket(domain, kind | CloseOnExec | (nonBlocking ? NonBlocking : 0), 0)).OrThrow("socket"));
    }

    /// <summary>Makes two connected Unix stream sockets, as <c>socketpair(2)</c>.</summary>
    /// <returns>Both ends; the caller disposes them.</returns>
    /// <exception cref="DescriptorLimitException">No descriptor is free.</exception>
    public static unsafe (DescriptorHandle First, DescriptorHandle Second) CreatePair()
    {
        int* ends = stackalloc int[2];
        CallResult.Of(socketpair(1, 1 | CloseOnExec, 0, ends)).OrThrow("socketpair");
        return (new DescriptorHandle(ends[0]), new DescriptorHandle(ends[1]));
    }

    /// <summary>Gives the socket an address, as <c>bind(2)</c>.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="address">The address.</param>
    /// <exception cref="AddressInUseException">Somebody else has it.</exception>
    /// <exception cref="SystemCallException">The kernel refused for another reason.</exception>
    public static unsafe void Bind(int descriptor, EndPoint address)
    {
        ArgumentNullException.ThrowIfNull(address);
        SocketAddress native = address.Serialize();
        fixed (byte* p = native.Buffer.Span)
        {
            CallResult.Of(bind(descriptor, p, native.Size)).OrThrow("bind", address.ToString());
        }
    }

    /// <summary>Gives the socket an address, as <c>bind(2)</c>, without allocation.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="address">The address.</param>
    /// <returns>Success or the error.</returns>
    public static unsafe CallResult Bind(int descriptor, in NativeAddress address)
    {
        fixed (NativeAddress* p = &address)
        {
            return CallResult.Of(bind(descriptor, (byte*)p, p->Length));
        }
    }

    /// <summary>Starts to take callers, as <c>listen(2)</c>.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="backlog">How many may wait to be accepted; the kernel caps it at net.core.somaxconn.</param>
    /// <exception cref="AddressInUseException">The address is taken.</exception>
    public static void Listen(int descriptor, int backlog)
    {
        CallResult result = CallResult.Of(listen(descriptor, backlog));
        result.OrThrow("listen", result.Errno == Errno.AddressInUse ? $"{LocalAddress(descriptor).ToEndPoint()}" : $"socket {descriptor}");
    }

    /// <summary>How many callers have connected to a TCP listener and wait to be accepted (TCP_INFO, <c>tcp(7)</c>).</summary>
    /// <param name="descriptor">The listener.</param>
    /// <returns>The count, or the error: ENOPROTOOPT or EOPNOTSUPP of a socket that is not TCP.</returns>
    public static unsafe CallResult CountWaiting(int descriptor)
    {
        // struct tcp_info: 8 bytes, four numbers, and tcpi_unacked, which is the length of a listener's queue.
        const int Fields = 7;
        const int Waiting = 6;
        uint* fields = stackalloc uint[Fields];
        int length = Fields * sizeof(uint);
        CallResult result = CallResult.Of(getsockopt(descriptor, LevelTcp, OptionInfo, (int*)fields, &length));
        return result.Succeeded ? CallResult.Success((int)fields[Waiting]) : result;
    }

    /// <summary>Takes one caller, as <c>accept4(2)</c>, without waiting if the listener is non-blocking.</summary>
    /// <param name="descriptor">The listener.</param>
    /// <param name="peer">Where the caller's address goes.</param>
    /// <param name="nonBlocking">True to make the caller's socket non-blocking.</param>
    /// <returns>The caller's descriptor, which the caller of this function owns, or the error.</returns>
    public static unsafe CallResult Accept(int descriptor, ref NativeAddress peer, bool nonBlocking = false)
    {
        fixed (NativeAddress* p = &peer)
        {
            CallResult result;
            do
            {
                int length = NativeAddress.Capacity;
                result = CallResult.Of(accept4(descriptor, (byte*)p, &length, CloseOnExec | (nonBlocking ? NonBlocking : 0)));
                p->Length = Math.Min(length, NativeAddress.Capacity);
            }
            while (result.Errno == Errno.Interrupted);
            return result;
        }
    }

    /// <summary>Connects, as <c>connect(2)</c>.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="address">Whom to reach.</param>
    /// <returns>Success, EINPROGRESS of a non-blocking socket, or the error.</returns>
    public static unsafe CallResult Connect(int descriptor, EndPoint address)
    {
        ArgumentNullException.ThrowIfNull(address);
        SocketAddress native = address.Serialize();
        fixed (byte* p = native.Buffer.Span)
        {
            return CallResult.Of(connect(descriptor, p, native.Size));
        }
    }

    /// <summary>Connects, as <c>connect(2)</c>, without allocation.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="address">Whom to reach.</param>
    /// <returns>Success, EINPROGRESS of a non-blocking socket, or the error.</returns>
    public static unsafe CallResult Connect(int descriptor, in NativeAddress address)
    {
        fixed (NativeAddress* p = &address)
        {
            return CallResult.Of(connect(descriptor, (byte*)p, p->Length));
        }
    }

    /// <summary>Receives what is there, as <c>recv(2)</c>.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="destination">Where the bytes go.</param>
    /// <param name="flags">How.</param>
    /// <returns>The count, 0 at the end of a stream, or the error.</returns>
    public static unsafe CallResult Receive(int descriptor, Span<byte> destination, SocketCallFlags flags = SocketCallFlags.None)
    {
        fixed (byte* p = destination)
        {
            CallResult result;
            do
            {
                result = CallResult.Of(recv(descriptor, p, destination.Length, (int)flags));
            }
            while (result.Errno == Errno.Interrupted);
            return result;
        }
    }

    /// <summary>Sends as much as fits, as <c>send(2)</c> with MSG_NOSIGNAL.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="source">The bytes.</param>
    /// <param name="flags">How.</param>
    /// <returns>The count sent, or the error.</returns>
    public static unsafe CallResult Send(int descriptor, ReadOnlySpan<byte> source, SocketCallFlags flags = SocketCallFlags.None)
    {
        fixed (byte* p = source)
        {
            CallResult result;
            do
            {
                result = CallResult.Of(send(descriptor, p, source.Length, (int)flags | NoSignal));
            }
            while (result.Errno == Errno.Interrupted);
            return result;
        }
    }

    /// <summary>Receives one datagram and its sender, as <c>recvfrom(2)</c>.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="destination">Where the bytes go; what does not fit is lost.</param>
    /// <param name="peer">Where the sender's address goes.</param>
    /// <param name="flags">How; with <see cref="SocketCallFlags.Truncate"/> the answer is the datagram's whole length.</param>
    /// <returns>The length, or the error.</returns>
    public static unsafe CallResult ReceiveFrom(int descriptor, Span<byte> destination, ref NativeAddress peer, SocketCallFlags flags = SocketCallFlags.None)
    {
        fixed (byte* p = destination)
        fixed (NativeAddress* from = &peer)
        {
            CallResult result;
            do
            {
                int length = NativeAddress.Capacity;
                result = CallResult.Of(recvfrom(descriptor, p, destination.Length, (int)flags, (byte*)from, &length));
                from->Length = Math.Min(length, NativeAddress.Capacity);
            }
            while (result.Errno == Errno.Interrupted);
            return result;
        }
    }

    /// <summary>Sends one datagram, as <c>sendto(2)</c> with MSG_NOSIGNAL.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="source">The datagram.</param>
    /// <param name="peer">Whom to.</param>
    /// <param name="flags">How.</param>
    /// <returns>The count sent, or the error.</returns>
    public static unsafe CallResult SendTo(int descriptor, ReadOnlySpan<byte> source, in NativeAddress peer, SocketCallFlags flags = SocketCallFlags.None)
    {
        fixed (byte* p = source)
        fixed (NativeAddress* to = &peer)
        {
            CallResult result;
            do
            {
                result = CallResult.Of(sendto(descriptor, p, source.Length, (int)flags | NoSignal, (byte*)to, to->Length));
            }
            while (result.Errno == Errno.Interrupted);
            return result;
        }
    }

    /// <summary>Ends one or both directions, as <c>shutdown(2)</c>. Wakes whoever waits in a call on the socket.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="how">Which direction.</param>
    /// <returns>Success or the error; ENOTCONN if the peer is gone already.</returns>
    public static CallResult Shutdown(int descriptor, SocketShutdown how) =>
        CallResult.Of(shutdown(descriptor, (int)how));

    /// <summary>The socket's own address, as <c>getsockname(2)</c>.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <returns>The address.</returns>
    /// <exception cref="SystemCallException">It is not a socket.</exception>
    public static unsafe NativeAddress LocalAddress(int descriptor)
    {
        NativeAddress address = default;
        int length = NativeAddress.Capacity;
        CallResult.Of(getsockname(descriptor, (byte*)&address, &length)).OrThrow("getsockname", $"descriptor {descriptor}");
        address.Length = Math.Min(length, NativeAddress.Capacity);
        return address;
    }

    /// <summary>Sets an option of the socket, that one only.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="option">Which.</param>
    /// <param name="value">1 or 0 for on or off, or a size in bytes.</param>
    /// <returns>Success or the error.</returns>
    public static unsafe CallResult SetOption(int descriptor, SocketCallOption option, int value)
    {
        (int level, int name) = Names(option);
        return CallResult.Of(setsockopt(descriptor, level, name, &value, sizeof(int)));
    }

    /// <summary>Reads an option of the socket.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="option">Which.</param>
    /// <returns>Its value, or the error.</returns>
    public static CallResult GetOption(int descriptor, SocketCallOption option)
    {
        (int level, int name) = Names(option);
        return GetOption(descriptor, level, name);
    }

    /// <summary>The error that waits on the socket (SO_ERROR), which this takes away.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <returns>The error, or <see cref="Errno.None"/>.</returns>
    public static Errno TakeError(int descriptor)
    {
        CallResult result = GetOption(descriptor, LevelSocket, OptionError);
        return result.Succeeded ? (Errno)result.Value : result.Errno;
    }

    /// <summary>How long a blocking receive waits (SO_RCVTIMEO); it then answers EAGAIN.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="timeout">The time, rounded up to a microsecond; null or negative for ever.</param>
    /// <returns>Success or the error.</returns>
    public static CallResult SetReceiveTimeout(int descriptor, TimeSpan? timeout) => SetTimeout(descriptor, OptionReceiveTimeout, timeout);

    /// <summary>How long a blocking send waits (SO_SNDTIMEO); it then answers EAGAIN.</summary>
    /// <param name="descriptor">The socket.</param>
    /// <param name="timeout">The time, rounded up to a microsecond; null or negative for ever.</param>
    /// <returns>Success or the error.</returns>
    public static CallResult SetSendTimeout(int descriptor, TimeSpan? timeout) => SetTimeout(descriptor, OptionSendTimeout, timeout);

    /// <summary>Makes the next close reset the connection: what is unsent is dropped (SO_LINGER on, 0 s).</summary>
    /// <param name="descriptor">The socket.</param>
    /// <returns>Success or the error.</returns>
    public static unsafe CallResult ResetOnClose(int descriptor)
    {
        int* linger = stackalloc int[2] { 1, 0 };
        return CallResult.Of(setsockopt(descriptor, LevelSocket, OptionLinger, linger, 2 * sizeof(int)));
    }

    private static unsafe CallResult SetTimeout(int descriptor, int option, TimeSpan? timeout)
    {
        // The kernel reads 0 as for ever, so the shortest wait is 1 us.
        TimeValue value = timeout is { } t && t >= TimeSpan.Zero ? TimeValue.RoundUp(t < TimeSpan.FromMicroseconds(1) ? TimeSpan.FromMicroseconds(1) : t) : default;
        return CallResult.Of(setsockopt(descriptor, LevelSocket, option, &value, sizeof(TimeValue)));
    }

    private static unsafe CallResult GetOption(int descriptor, int level, int name)
    {
        int value = 0;
        int length = sizeof(int);
        CallResult result = CallResult.Of(getsockopt(descriptor, level, name, &value, &length));
        return result.Succeeded ? CallResult.Success(value) : result;
    }

    private static (int Level, int Name) Names(SocketCallOption option) => option switch
    {
        SocketCallOption.ReuseAddress => (LevelSocket, 2),
        SocketCallOption.ReusePort => (LevelSocket, 15),
        SocketCallOption.NoDelay => (LevelTcp, 1),
        SocketCallOption.KeepAlive => (LevelSocket, 9),
        SocketCallOption.IPv6Only => (LevelIPv6, 26),
        SocketCallOption.Broadcast => (LevelSocket, 6),
        SocketCallOption.ReceiveBuffer => (LevelSocket, 8),
        SocketCallOption.SendBuffer => (LevelSocket, 7),
        SocketCallOption.KeepAliveTime => (LevelTcp, 4),
        SocketCallOption.KeepAliveInterval => (LevelTcp, 5),
        SocketCallOption.KeepAliveProbes => (LevelTcp, 6),
        SocketCallOption.UserTimeout => (LevelTcp, 18),
        SocketCallOption.IPv4PacketInfo => (LevelIPv4, 8),
        SocketCallOption.IPv6PacketInfo => (LevelIPv6, 49),
        SocketCallOption.IPv4MulticastHops => (LevelIPv4, 33),
        SocketCallOption.IPv6MulticastHops => (LevelIPv6, 18),
        SocketCallOption.IPv4MulticastLoopback => (LevelIPv4, 34),
        SocketCallOption.IPv6MulticastLoopback => (LevelIPv6, 19),
        SocketCallOption.IPv4MulticastAll => (LevelIPv4, 49),
        SocketCallOption.IPv6MulticastAll => (LevelIPv6, 29),
        SocketCallOption.BindAddressNoPort => (LevelIPv4, 24),
        _ => throw new ArgumentOutOfRangeException(nameof(option), option, "Not an option of this library."),
    };

    [LibraryImport(LibC.Name)]
    private static partial int socket(int domain, int type, int protocol);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int socketpair(int domain, int type, int protocol, int* ends);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int bind(int descriptor, byte* address, int length);

    [LibraryImport(LibC.Name)]
    private static partial int listen(int descriptor, int backlog);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int accept4(int descriptor, byte* address, int* length, int flags);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int connect(int descriptor, byte* address, int length);

    [LibraryImport(LibC.Name)]
    private static unsafe partial nint recv(int descriptor, byte* buffer, nint length, int flags);

    [LibraryImport(LibC.Name)]
    private static unsafe partial nint send(int descriptor, byte* buffer, nint length, int flags);

    [LibraryImport(LibC.Name)]
    private static unsafe partial nint recvfrom(int descriptor, byte* buffer, nint length, int flags, byte* address, int* addressLength);

    [LibraryImport(LibC.Name)]
    private static unsafe partial nint sendto(int descriptor, byte* buffer, nint length, int flags, byte* address, int addressLength);

    [LibraryImport(LibC.Name)]
    private static partial int shutdown(int descriptor, int how);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int getsockname(int descriptor, byte* address, int* length);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int setsockopt(int descriptor, int level, int name, void* value, int length);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int getsockopt(int descriptor, int level, int name, int* value, int* length);
}
