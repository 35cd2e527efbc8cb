using System.Net;
using System.Net.Sockets;

namespace Switchboard.Linux.Tests;

public sealed class NativeAddressTests
{
    [Theory]
    [InlineData("127.0.0.1", 0)]
    [InlineData("255.254.253.252", 65535)]
    [InlineData("::1", 258)]
    [InlineData("2001:db8::ff00:42:8329", 8009)]
    [InlineData("fe80::1%7", 1)]
    [InlineData("::ffff:10.1.2.3", 443)]
    public void An_ip_address_comes_back_as_it_went_in(string address, int port)
    {
        IPEndPoint endPoint = new(IPAddress.Parse(address), port);
        IPEndPoint back = Assert.IsType<IPEndPoint>(NativeAddress.From(endPoint).ToEndPoint());
        Assert.Equal(endPoint, back);
        Assert.Equal(endPoint.ToString(), back.ToString());
    }

    [Theory]
    [InlineData("/tmp/s")]
    [InlineData("relative.sock")]
    [InlineData("/tmp/电话.sock")]
    [InlineData("\0abstract")]
    [InlineData("\0a\0b")]
    public void A_unix_address_comes_back_as_it_went_in(string path)
    {
        UnixDomainSocketEndPoint endPoint = new(path);
        EndPoint? back = NativeAddress.From(endPoint).ToEndPoint();
        Assert.Equal(endPoint, back);
        Assert.Equal(endPoint.ToString(), back!.ToString());
    }

    [Fact]
    public void The_longest_path_fits()
    {
        UnixDomainSocketEndPoint endPoint = new("/" + new string('x', 106));
        Assert.Equal(endPoint.ToString(), NativeAddress.From(endPoint).ToEndPoint()!.ToString());
    }

    [Fact]
    public void No_address_is_none()
    {
        Assert.Null(default(NativeAddress).ToEndPoint());
        (DescriptorHandle first, DescriptorHandle second) = SocketCalls.CreatePair();
        using (first)
        using (second)
        {
            Assert.Null(SocketCalls.LocalAddress(first.Number).ToEndPoint());
        }
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void The_kernel_writes_the_same_address(string address)
    {
        IPAddress ip = IPAddress.Parse(address);
        Assert.SkipUnless(ip.AddressFamily == AddressFamily.InterNetwork || Socket.OSSupportsIPv6, "This machine has no IPv6.");
        using DescriptorHandle listener = SocketCalls.Create(ip.AddressFamily, SocketType.Stream);
        SocketCalls.Bind(listener.Number, new IPEndPoint(ip, 0));
        SocketCalls.Listen(listener.Number, 1);
        IPEndPoint local = Assert.IsType<IPEndPoint>(SocketCalls.LocalAddress(listener.Number).ToEndPoint());
        Assert.Equal(ip, local.Address);
        Assert.NotEqual(0, local.Port);

        using Socket caller = new(ip.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        caller.Connect(local);
        NativeAddress peer = default;
        using DescriptorHandle accepted = new(SocketCalls.Accept(listener.Number, ref peer).OrThrow("accept4"));
        Assert.Equal(caller.LocalEndPoint, peer.ToEndPoint());
        Assert.Equal(local, SocketCalls.LocalAddress(accepted.Number).ToEndPoint());
    }

    [Fact]
    public void A_datagram_tells_its_sender_and_an_answer_reaches_it()
    {
        string name = $"\0switchboard-test-{Guid.NewGuid():N}";
        using DescriptorHandle server = SocketCalls.Create(AddressFamily.Unix, SocketType.Dgram);
        SocketCalls.Bind(server.Number, new UnixDomainSocketEndPoint(name));
        Assert.Equal(new UnixDomainSocketEndPoint(name), SocketCalls.LocalAddress(server.Number).ToEndPoint());

        using DescriptorHandle client = SocketCalls.Create(AddressFamily.Unix, SocketType.Dgram);
        NativeAddress peer = default;
        NativeAddress serverAddress = NativeAddress.From(new UnixDomainSocketEndPoint(name));
        Assert.Equal(2, SocketCalls.SendTo(client.Number, "hi"u8, in serverAddress).OrThrow("sendto"));
        Assert.Equal(2, SocketCalls.ReceiveFrom(server.Number, new byte[10], ref peer).OrThrow("recvfrom"));
        Assert.Null(peer.ToEndPoint());

        SocketCalls.Bind(client.Number, new UnixDomainSocketEndPoint(name + "-client"));
        SocketCalls.SendTo(client.Number, "hi"u8, in serverAddress).OrThrow("sendto");
        SocketCalls.ReceiveFrom(server.Number, new byte[10], ref peer).OrThrow("recvfrom");
        Assert.Equal(new UnixDomainSocketEndPoint(name + "-client"), peer.ToEndPoint());
        SocketCalls.SendTo(server.Number, "ho"u8, in peer).OrThrow("sendto");
        Assert.Equal(2, SocketCalls.Receive(client.Number, new byte[10]).OrThrow("recv"));
    }
}
