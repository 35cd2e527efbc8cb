using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

public sealed class ListenerTests
{
    private static readonly IPEndPoint _anyPort = new(IPAddress.Loopback, 0);

    [Fact]
    public void A_listener_has_the_port_that_the_kernel_chose_and_takes_callers()
    {
        using Listener listener = Listening(_anyPort);
        IPEndPoint address = Assert.IsType<IPEndPoint>(listener.LocalEndPoint);
        Assert.NotEqual(0, address.Port);
        NativeAddress peer = default;
        Assert.True(listener.Accept(ref peer).WouldBlock, "Somebody called.");
        using Socket caller = Call(address);
        using DescriptorHandle accepted = Accept(listener, out EndPoint? from);
        Assert.Equal(caller.LocalEndPoint, from);
        caller.Send("hello"u8);
        Assert.Equal(5, accepted.ReadOrFail());
    }

    [Fact]
    public void An_address_in_use_is_told_as_a_sentence_with_the_address()
    {
        using Listener first = Listening(_anyPort);
        AddressInUseException exception = Assert.Throws<AddressInUseException>(() => Listener.Bind(first.LocalEndPoint, new ListenerOptions()));
        Assert.Equal(Errno.AddressInUse, exception.Errno);
        Assert.StartsWith($"{first.LocalEndPoint} is in use", exception.Message, StringComparison.Ordinal);
        Assert.EndsWith("reuse.", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, false, true, false)]
    [InlineData(true, true, true, false)]
    [InlineData(true, false, true, true)]
    [InlineData(false, true, false, false)]
    public void A_port_is_shared_by_nobody_who_did_not_ask_for_it_on_both_sides(bool firstAddress, bool firstPort, bool secondAddress, bool secondPort)
    {
        using Listener first = Listening(_anyPort, new ListenerOptions { ReuseAddress = firstAddress, ReusePort = firstPort });
        Assert.Throws<AddressInUseException>(() => Listener.Bind(first.LocalEndPoint, new ListenerOptions { ReuseAddress = secondAddress, ReusePort = secondPort }));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_port_is_shared_where_both_ask_for_it(bool reuseAddress)
    {
        var options = new ListenerOptions { ReuseAddress = reuseAddress, ReusePort = true };
        using Listener first = Listening(_anyPort, options);
        using Listener second = Listening(first.LocalEndPoint, options);
        Assert.Equal(first.LocalEndPoint, second.LocalEndPoint);
    }

    [Fact]
    public void A_port_whose_last_connection_the_server_closed_is_free_at_once_by_address_reuse_only()
    {
        EndPoint address;
        using (Listener old = Listening(_anyPort))
        {
            address = old.LocalEndPoint;
            using Socket caller = Call(address);
            Accept(old, out _).Dispose();
            Assert.Equal(0, caller.Receive(new byte[1]));
        }
        Assert.Throws<AddressInUseException>(() => Listener.Bind(address, new ListenerOptions { ReuseAddress = false }));
        using Listener listener = Listening(address);
        Assert.Equal(address, listener.LocalEndPoint);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public void Accepted_sockets_inherit_no_delay_and_keep_alive(bool noDelay, bool keepAlive)
    {
        using Listener listener = Listening(_anyPort, new ListenerOptions { NoDelay = noDelay, KeepAlive = keepAlive });
        using Socket caller = Call(listener.LocalEndPoint);
        using DescriptorHandle accepted = Accept(listener, out _);
        Assert.Equal(noDelay, IsOn(accepted, SocketCallOption.NoDelay));
        Assert.Equal(keepAlive, IsOn(accepted, SocketCallOption.KeepAlive));
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public void Each_option_of_reuse_sets_itself_and_no_other(bool reuseAddress, bool reusePort)
    {
        using Listener listener = Listener.Bind(_anyPort, new ListenerOptions { ReuseAddress = reuseAddress, ReusePort = reusePort });
        Assert.Equal(reuseAddress, IsOn(listener.Handle, SocketCallOption.ReuseAddress));
        Assert.Equal(reusePort, IsOn(listener.Handle, SocketCallOption.ReusePort));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_ipv6_listener_takes_ipv4_callers_in_dual_mode_only(bool dualMode)
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "This machine has no IPv6.");
        using Listener listener = Listening(new IPEndPoint(IPAddress.IPv6Any, 0), new ListenerOptions { DualMode = dualMode });
        int port = ((IPEndPoint)listener.LocalEndPoint).Port;
        using (Socket six = Call(new IPEndPoint(IPAddress.IPv6Loopback, port)))
        {
            Accept(listener, out _).Dispose();
        }
        if (!dualMode)
        {
            Assert.Equal(SocketError.ConnectionRefused, Assert.Throws<SocketException>(() => Call(new IPEndPoint(IPAddress.Loopback, port))).SocketErrorCode);
            return;
        }
        using Socket four = Call(new IPEndPoint(IPAddress.Loopback, port));
        using DescriptorHandle accepted = Accept(listener, out EndPoint? from);
        Assert.Equal(IPAddress.Loopback.MapToIPv6(), Assert.IsType<IPEndPoint>(from).Address);
    }

    [Fact]
    public void A_negative_backlog_is_refused_and_none_is_allowed()
    {
        using Listener listener = Listener.Bind(_anyPort, new ListenerOptions());
        Assert.Throws<ArgumentOutOfRangeException>(() => listener.Listen(-1));
        listener.Listen(0);
        using Socket caller = Call(listener.LocalEndPoint);
        Accept(listener, out _).Dispose();
    }

    internal static Listener Listening(EndPoint address, ListenerOptions? options = null)
    {
        Listener listener = Listener.Bind(address, options ?? new ListenerOptions());
        listener.Listen(16);
        return listener;
    }

    internal static Socket Call(EndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = (int)Waits.Patience.TotalMilliseconds };
        try
        {
            socket.Connect(address);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    internal static DescriptorHandle Accept(Listener listener, out EndPoint? from)
    {
        using PollSelector selector = new();
        selector.Register(listener.Handle, Interest.Read);
        Assert.Single(selector.Select(Waits.Patience));
        NativeAddress peer = default;
        var accepted = new DescriptorHandle(listener.Accept(ref peer).OrThrow("accept4"));
        from = peer.ToEndPoint();
        return accepted;
    }

    private static bool IsOn(DescriptorHandle handle, SocketCallOption option) => SocketCalls.GetOption(handle.Number, option).OrThrow("getsockopt") != 0;
}
