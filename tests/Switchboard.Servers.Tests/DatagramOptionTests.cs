using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers.Tests;

/// <summary>Groups, broadcast, buffers, losses, shared ports, and the address that was asked.</summary>
public sealed class DatagramOptionTests
{
    private const string Loopback = "lo";

    public static TheoryData<Model> All => Models.All;

    private static UdpServer Echo(string address, Model model, DatagramOptions? datagrams = null, ListenerOptions? socket = null) =>
        new(address, (datagram, stop) => datagram.ReplyAsync(Encoding.UTF8.GetBytes($"{Encoding.UTF8.GetString(datagram.Data.Span)} {datagram.LocalEndPoint}"), stop).AsTask(), model.Make(),
            new ServerOptions { Datagrams = datagrams ?? new(), Socket = socket ?? new(), LoggerFactory = NullLoggerFactory.Instance });

    private static int PortOf(SocketServer server) => ((IPEndPoint)server.LocalEndPoint!).Port;

    private static Socket Client(AddressFamily family = AddressFamily.InterNetwork)
    {
        var client = new Socket(family, SocketType.Dgram, ProtocolType.Udp);
        client.Bind(new IPEndPoint(family == AddressFamily.InterNetwork ? IPAddress.Loopback : IPAddress.IPv6Loopback, 0));
        return client;
    }

    private static async Task<(string Text, EndPoint From)> ReceiveAsync(Socket client)
    {
        var bytes = new byte[65_536];
        EndPoint any = new IPEndPoint(client.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        SocketReceiveFromResult result = await client.ReceiveFromAsync(bytes.AsMemory(), any).InTime();
        return (Encoding.UTF8.GetString(bytes, 0, result.ReceivedBytes), result.RemoteEndPoint);
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(All))]
    public async Task An_answer_leaves_by_the_address_that_was_asked(Model model)
    {
        foreach (string address in (string[])["0.0.0.0:0", "*:0"])
        {
            await using UdpServer server = Echo(address, model);
            await server.StartAsync().InTime();
            using Socket client = Client();
            foreach (string asked in (string[])["127.0.0.1", "127.0.0.2"])
            {
                var to = new IPEndPoint(IPAddress.Parse(asked), PortOf(server));
                await client.SendToAsync("x"u8.ToArray(), to).InTime();
                (string text, EndPoint from) = await ReceiveAsync(client);
                Assert.Equal(to, from);
                Assert.Contains(asked, text, StringComparison.Ordinal);
            }
        }
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(All))]
    public async Task A_server_on_all_addresses_answers_over_IPv6_too(Model model)
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "There is no IPv6 here.");
        await using UdpServer server = Echo("*:0", model);
        await server.StartAsync().InTime();
        using Socket client = Client(AddressFamily.InterNetworkV6);
        await client.SendToAsync("x"u8.ToArray(), new IPEndPoint(IPAddress.IPv6Loopback, PortOf(server))).InTime();
        Assert.Equal($"x [::1]:{PortOf(server)}", (await ReceiveAsync(client)).Text);
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(All))]
    public async Task A_group_is_joined_and_left(Model model)
    {
        var group = new MulticastGroup("239.255.77.1") { Interface = Loopback };
        await using UdpServer server = Echo("0.0.0.0:0", model, new DatagramOptions { Groups = [group] });
        await server.StartAsync().InTime();
        using Socket client = Client();
        client.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, IPAddress.Loopback.GetAddressBytes());
        var to = new IPEndPoint(group.Address, PortOf(server));
        await client.SendToAsync("in"u8.ToArray(), to).InTime();
        Assert.Equal($"in {to}", (await ReceiveAsync(client)).Text);
        server.Leave(group);
        await client.SendToAsync("out"u8.ToArray(), to).InTime();
        await client.SendToAsync("direct"u8.ToArray(), new IPEndPoint(IPAddress.Loopback, PortOf(server))).InTime();
        // Over loopback in the order of the calls: what was sent before would have been answered, or counted, by now.
        Assert.StartsWith("direct", (await ReceiveAsync(client)).Text, StringComparison.Ordinal);
        Assert.Equal(2, server.Statistics.Accepted);
        server.Join(group);
        await client.SendToAsync("again"u8.ToArray(), to).InTime();
        Assert.StartsWith("again", (await ReceiveAsync(client)).Text, StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_group_with_a_source_takes_that_sender_only()
    {
        var group = new MulticastGroup("232.7.7.1") { Interface = Loopback, Source = IPAddress.Parse("127.0.0.5") };
        await using UdpServer server = Echo("0.0.0.0:0", Model.OneLoop, new DatagramOptions { Groups = [group] });
        await server.StartAsync().InTime();
        var to = new IPEndPoint(group.Address, PortOf(server));
        using Socket stranger = Client();
        using var source = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        source.Bind(new IPEndPoint(group.Source, 0));
        foreach (Socket sender in (Socket[])[stranger, source])
        {
            sender.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, IPAddress.Loopback.GetAddressBytes());
            await sender.SendToAsync("x"u8.ToArray(), to).InTime();
        }
        Assert.Equal($"x {to}", (await ReceiveAsync(source)).Text);
        Assert.Equal(1, server.Statistics.Accepted);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task An_IPv6_group_is_joined_and_left()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "There is no IPv6 here.");
        // Loopback has no route to IPv6 groups, so the kernel's list of members is asked instead.
        var group = new MulticastGroup("ff05::77:77") { Interface = Loopback };
        await using UdpServer server = Echo("[::]:0", Model.OneLoop, new DatagramOptions { Groups = [group] });
        server.Bind();
        Assert.True(IsMember());
        server.Leave(group);
        Assert.False(IsMember());

        static bool IsMember() => File.ReadLines("/proc/net/igmp6").Any(line => line.Contains("ff050000000000000000000000770077", StringComparison.Ordinal));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_server_sends_to_groups_and_broadcasts_by_its_options()
    {
        var group = new MulticastGroup("239.255.77.2") { Interface = Loopback };
        await using UdpServer receiver = Echo("0.0.0.0:0", Model.OneLoop, new DatagramOptions { Groups = [group] });
        await receiver.StartAsync().InTime();
        var got = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var sender = new UdpServer("127.0.0.1:0", (datagram, _) =>
        {
            got.TrySetResult(Encoding.UTF8.GetString(datagram.Data.Span));
            return Task.CompletedTask;
        }, Concurrency.EventLoop(), new ServerOptions { Datagrams = new() { MulticastInterface = Loopback, MulticastHops = 2, Broadcast = true } });
        await sender.StartAsync().InTime();
        await sender.SendToAsync("news"u8.ToArray(), new IPEndPoint(group.Address, PortOf(receiver))).InTime();
        Assert.StartsWith("news", await got.Task.InTime(), StringComparison.Ordinal);
        await sender.SendToAsync("all"u8.ToArray(), new IPEndPoint(IPAddress.Parse("127.255.255.255"), PortOf(receiver))).InTime();
        await Deadline.UntilAsync(() => receiver.Statistics.Accepted == 2, "the broadcast came");
        SystemCallException refused = await Assert.ThrowsAnyAsync<SystemCallException>(async () =>
            await receiver.SendToAsync("no"u8.ToArray(), new IPEndPoint(IPAddress.Parse("127.255.255.255"), PortOf(sender))));
        Assert.Equal(Errno.AccessDenied, refused.Errno);
    }

    [Fact]
    public void What_is_no_group_and_no_interface_is_refused_with_a_sentence()
    {
        Assert.Contains("239.255.255.255", Assert.Throws<ArgumentException>(() => new MulticastGroup("10.0.0.1")).Message, StringComparison.Ordinal);
        Assert.Contains("no IP address", Assert.Throws<ArgumentException>(() => new MulticastGroup("everybody")).Message, StringComparison.Ordinal);
        Assert.Contains("'nowhere0'", Assert.Throws<ArgumentException>(() => Bound(new MulticastGroup("239.0.0.1") { Interface = "nowhere0" })).Message, StringComparison.Ordinal);
        Assert.Contains("[::]:PORT", Assert.Throws<ArgumentException>(() => Bound(new MulticastGroup("ff02::7") { Interface = Loopback })).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramOptions { MulticastHops = 256 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramOptions { ReceiveBuffer = 0 });
        Assert.Contains("from 1 to 32", Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramOptions { ReceiveBatch = 33 }).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramOptions { ReceiveBatch = 0 });

        static void Bound(MulticastGroup group) => Echo("0.0.0.0:0", Model.OneLoop, new DatagramOptions { Groups = [group] }).Bind();
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Two_servers_share_an_address_only_if_both_ask_for_it()
    {
        await using UdpServer first = Echo("127.0.0.1:0", Model.OneLoop);
        first.Bind();
        Assert.Throws<AddressInUseException>(() => Echo($"127.0.0.1:{PortOf(first)}", Model.OneLoop).Bind());
        await using UdpServer sharing = Echo("127.0.0.1:0", Model.OneLoop, new DatagramOptions { ReuseAddress = true });
        sharing.Bind();
        await using UdpServer other = Echo($"127.0.0.1:{PortOf(sharing)}", Model.OneLoop, new DatagramOptions { ReuseAddress = true });
        other.Bind();
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(All))]
    public async Task Datagrams_are_all_served_whatever_a_loop_takes_with_one_call(Model model)
    {
        const int Sent = 100;
        foreach (int batch in (int[])[1, 3, 32])
        {
            await using UdpServer server = Echo("127.0.0.1:0", model, new DatagramOptions { ReceiveBatch = batch, ReceiveBuffer = 1024 * 1024 });
            server.Bind();
            using Socket client = Client();
            client.ReceiveBufferSize = 1024 * 1024;
            for (int i = 0; i < Sent; i++)
            {
                client.SendTo(Encoding.ASCII.GetBytes($"{i}"), server.LocalEndPoint!);
            }
            await server.StartAsync().InTime();
            List<int> came = [];
            while (came.Count < Sent)
            {
                came.Add(int.Parse((await ReceiveAsync(client)).Text.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture));
            }
            Assert.Equal(Enumerable.Range(0, Sent), came.Order());
        }
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Losses_are_counted_and_told_also_after_the_stop()
    {
        const int Sent = 400;
        await using UdpServer server = Echo("127.0.0.1:0", Model.OneLoop, new DatagramOptions { ReceiveBuffer = 4096 });
        server.Bind();
        using Socket client = Client();
        for (int i = 0; i < Sent; i++)
        {
            client.SendTo(new byte[500], server.LocalEndPoint!);
        }
        long lost = server.Statistics.Dropped;
        Assert.InRange(lost, 1, Sent);
        await server.StartAsync().InTime();
        await Deadline.UntilAsync(() => server.Statistics.Accepted + lost == Sent, "all that were not lost were served");
        await server.StopAsync().InTime();
        Assert.Equal(lost, server.Statistics.Dropped);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_receive_buffer_that_the_kernel_caps_is_told()
    {
        var log = new RecordingLog();
        await using var server = new UdpServer("127.0.0.1:0", (_, _) => Task.CompletedTask, null,
            new ServerOptions { Datagrams = new() { ReceiveBuffer = 1_000_000_000 }, LoggerFactory = log });
        server.Bind();
        Assert.Contains("net.core.rmem_max", (await log.WaitAsync(record => record.Id == 60)).Text, StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Each_loop_has_a_socket_of_its_own_where_the_port_is_shared()
    {
        await using UdpServer server = Echo("127.0.0.1:0", Model.ThreeLoops, socket: new ListenerOptions { ReusePort = true });
        await server.StartAsync().InTime();
        string port = $":{PortOf(server):X4} ";
        Assert.Equal(3, File.ReadLines("/proc/net/udp").Count(line => line.Contains($"0100007F{port}", StringComparison.Ordinal)));
        for (int i = 0; i < 30; i++)
        {
            using Socket client = Client();
            await client.SendToAsync("x"u8.ToArray(), server.LocalEndPoint!).InTime();
            Assert.StartsWith("x ", (await ReceiveAsync(client)).Text, StringComparison.Ordinal);
        }
        await server.StopAsync().InTime();
        Assert.DoesNotContain(File.ReadLines("/proc/net/udp"), line => line.Contains($"0100007F{port}", StringComparison.Ordinal));
    }
}
