using System.Net;
using System.Net.Sockets;

namespace Switchboard.Linux.Tests;

public sealed class SocketOptionTests
{
    private static readonly SocketCallOption[] _switches =
        [SocketCallOption.ReuseAddress, SocketCallOption.ReusePort, SocketCallOption.NoDelay, SocketCallOption.KeepAlive, SocketCallOption.Broadcast];

    public static TheoryData<SocketCallOption> Switches => [.. _switches];

    [Theory, MemberData(nameof(Switches))]
    public void An_option_is_set_by_itself_and_taken_back(SocketCallOption option)
    {
        using DescriptorHandle socket = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
        Dictionary<SocketCallOption, int> before = Read(socket);
        Assert.Equal(0, before[option]);
        Assert.True(SocketCalls.SetOption(socket.Number, option, 1).Succeeded);
        Dictionary<SocketCallOption, int> after = Read(socket);
        Assert.NotEqual(0, after[option]);
        before.Remove(option);
        after.Remove(option);
        Assert.Equal(before, after);
        Assert.True(SocketCalls.SetOption(socket.Number, option, 0).Succeeded);
        Assert.Equal(0, SocketCalls.GetOption(socket.Number, option).Value);
    }

    [Fact]
    public void Address_reuse_does_not_share_a_port_and_port_reuse_does()
    {
        foreach ((SocketCallOption option, bool shares) in ((SocketCallOption, bool)[])[(SocketCallOption.ReuseAddress, false), (SocketCallOption.ReusePort, true)])
        {
            using DescriptorHandle first = Bound(option, new IPEndPoint(IPAddress.Loopback, 0));
            EndPoint address = SocketCalls.LocalAddress(first.Number).ToEndPoint()!;
            if (shares)
            {
                Bound(option, address).Dispose();
            }
            else
            {
                Assert.Throws<AddressInUseException>(() => Bound(option, address));
            }
        }
    }

    [Fact]
    public void Ipv6_only_keeps_ipv4_callers_out()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        foreach (bool only in (bool[])[true, false])
        {
            using DescriptorHandle listener = SocketCalls.Create(AddressFamily.InterNetworkV6, SocketType.Stream);
            Assert.True(SocketCalls.SetOption(listener.Number, SocketCallOption.IPv6Only, only ? 1 : 0).Succeeded);
            Assert.Equal(only ? 1 : 0, SocketCalls.GetOption(listener.Number, SocketCallOption.IPv6Only).Value);
            SocketCalls.Bind(listener.Number, new IPEndPoint(IPAddress.IPv6Any, 0));
            SocketCalls.Listen(listener.Number, 1);
            int port = ((IPEndPoint)SocketCalls.LocalAddress(listener.Number).ToEndPoint()!).Port;
            using DescriptorHandle caller = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
            Assert.Equal(only ? Errno.ConnectionRefused : Errno.None, SocketCalls.Connect(caller.Number, new IPEndPoint(IPAddress.Loopback, port)).Errno);
        }
    }

    [Theory]
    [InlineData(SocketCallOption.ReceiveBuffer)]
    [InlineData(SocketCallOption.SendBuffer)]
    public void A_buffer_size_is_doubled_by_the_kernel(SocketCallOption option)
    {
        using DescriptorHandle socket = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
        Assert.True(SocketCalls.SetOption(socket.Number, option, 20_000).Succeeded);
        Assert.Equal(40_000, SocketCalls.GetOption(socket.Number, option).Value);
    }

    [Fact]
    public void A_bound_address_leaves_its_port_to_connect_on_request()
    {
        NativeAddress own = NativeAddress.From(new IPEndPoint(new IPAddress([127, 0, 1, 1]), 0));
        using DescriptorHandle listener = Bound(SocketCallOption.ReuseAddress, new IPEndPoint(IPAddress.Loopback, 0));
        using DescriptorHandle caller = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
        SocketCalls.SetOption(caller.Number, SocketCallOption.BindAddressNoPort, 1).OrThrow("setsockopt");
        SocketCalls.Bind(caller.Number, own).OrThrow("bind");
        Assert.Equal(own, SocketCalls.LocalAddress(caller.Number));
        SocketCalls.Connect(caller.Number, SocketCalls.LocalAddress(listener.Number)).OrThrow("connect");
        var connected = (IPEndPoint)SocketCalls.LocalAddress(caller.Number).ToEndPoint()!;
        Assert.Equal("127.0.1.1", connected.Address.ToString());
        Assert.NotEqual(0, connected.Port);
        using DescriptorHandle counter = DescriptorCalls.CreateEvent();
        Assert.Equal(Errno.NotSocket, SocketCalls.Bind(counter.Number, own).Errno);
    }

    [Fact]
    public void What_is_no_socket_or_no_option_is_refused()
    {
        using DescriptorHandle counter = DescriptorCalls.CreateEvent();
        Assert.Equal(Errno.NotSocket, SocketCalls.SetOption(counter.Number, SocketCallOption.ReuseAddress, 1).Errno);
        Assert.Equal(Errno.NotSocket, SocketCalls.GetOption(counter.Number, SocketCallOption.ReuseAddress).Errno);
        Assert.Throws<ArgumentOutOfRangeException>(() => SocketCalls.SetOption(counter.Number, (SocketCallOption)99, 1));
        Assert.Throws<ArgumentOutOfRangeException>("family", () => SocketCalls.Create(AddressFamily.AppleTalk, SocketType.Stream));
        Assert.Throws<ArgumentOutOfRangeException>("type", () => SocketCalls.Create(AddressFamily.Unix, SocketType.Raw));
    }

    private static DescriptorHandle Bound(SocketCallOption option, EndPoint address)
    {
        DescriptorHandle socket = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
        try
        {
            SocketCalls.SetOption(socket.Number, option, 1).OrThrow("setsockopt");
            SocketCalls.Bind(socket.Number, address);
            SocketCalls.Listen(socket.Number, 1);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static Dictionary<SocketCallOption, int> Read(DescriptorHandle socket) =>
        _switches.ToDictionary(option => option, option => SocketCalls.GetOption(socket.Number, option).OrThrow("getsockopt"));
}
