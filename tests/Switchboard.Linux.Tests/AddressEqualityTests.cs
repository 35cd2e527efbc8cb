using System.Net;
using System.Net.Sockets;

namespace Switchboard.Linux.Tests;

public sealed class AddressEqualityTests
{
    [Fact]
    public void Addresses_are_equal_if_they_mean_the_same()
    {
        EndPoint[] different =
        [
            new IPEndPoint(IPAddress.Loopback, 1),
            new IPEndPoint(IPAddress.Loopback, 2),
            new IPEndPoint(IPAddress.Any, 1),
            new IPEndPoint(IPAddress.IPv6Loopback, 1),
            new UnixDomainSocketEndPoint("/a"),
            new UnixDomainSocketEndPoint("/ab"),
            new UnixDomainSocketEndPoint("\0a"),
        ];
        NativeAddress[] addresses = [default, .. different.Select(NativeAddress.From)];
        for (int i = 0; i < addresses.Length; i++)
        {
            NativeAddress again = i == 0 ? default : NativeAddress.From(different[i - 1]);
            Assert.True(addresses[i] == again);
            Assert.Equal(addresses[i].GetHashCode(), again.GetHashCode());
            Assert.Equal(i, Array.IndexOf(addresses, again));
            Assert.All(addresses[(i + 1)..], other => Assert.True(other != again));
        }
        Assert.Equal("127.0.0.1:1", addresses[1].ToString());
        Assert.Equal("no address", addresses[0].ToString());
    }

    [Fact]
    public void The_address_of_a_sender_equals_the_one_that_it_has()
    {
        using DescriptorHandle sender = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Dgram);
        using DescriptorHandle receiver = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Dgram);
        SocketCalls.Bind(sender.Number, new IPEndPoint(IPAddress.Loopback, 0));
        SocketCalls.Bind(receiver.Number, new IPEndPoint(IPAddress.Loopback, 0));
        SocketCalls.SendTo(sender.Number, "x"u8, SocketCalls.LocalAddress(receiver.Number)).OrThrow("sendto");
        NativeAddress from = default;
        SocketCalls.ReceiveFrom(receiver.Number, new byte[1], ref from).OrThrow("recvfrom");
        Assert.Equal(SocketCalls.LocalAddress(sender.Number), from);
    }

    [Fact]
    public void A_connected_socket_knows_its_peer_and_another_has_none()
    {
        using DescriptorHandle listener = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
        using DescriptorHandle caller = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
        SocketCalls.Bind(listener.Number, new IPEndPoint(IPAddress.Loopback, 0));
        SocketCalls.Listen(listener.Number, 1);
        NativeAddress address = SocketCalls.LocalAddress(listener.Number);
        Assert.Equal(Errno.NotConnected, SocketCalls.PeerAddress(caller.Number, out NativeAddress none).Errno);
        Assert.Null(none.ToEndPoint());
        SocketCalls.Connect(caller.Number, address).OrThrow("connect");
        SocketCalls.PeerAddress(caller.Number, out NativeAddress peer).OrThrow("getpeername");
        Assert.Equal(address, peer);
    }
}
