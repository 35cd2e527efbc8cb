using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Servers.Tests;

/// <summary>Servers on sockets that somebody else has made: <c>fd:NUMBER</c> and <c>systemd:NAME</c>.</summary>
public sealed class PassedSocketsTests
{
    public static MatrixTheoryData<Model, bool, bool> Streams => new(Enum.GetValues<Model>(), [false, true], [false, true]);

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Streams))]
    public async Task A_stream_socket_that_was_passed_is_served_and_outlives_the_server(Model model, bool unix, bool listens)
    {
        using var folder = new TemporaryFolder();
        using Socket passed = Make(unix ? folder.Address("passed").EndPoint : new IPEndPoint(IPAddress.Loopback, 0), SocketType.Stream);
        if (listens)
        {
            passed.Listen(5);
        }
        ServerAddress address = $"fd:{passed.Handle}";
        await using (SocketServer server = unix
            ? new UnixStreamServer(address, LineEcho.ServeAsync, model.Make())
            : new TcpServer(address, LineEcho.ServeAsync, model.Make()))
        {
            await server.StartAsync().InTime();
            Assert.Equal($"{passed.LocalEndPoint}", $"{server.LocalEndPoint}");
            using Caller caller = await Caller.ConnectAsync(server);
            await caller.SayAsync("passed on");
        }
        Assert.Equal(unix, File.Exists(folder.File("passed")));
        // The next server goes on where the first has left: who called meanwhile waits.
        using Caller waiting = await Caller.ConnectAsync(passed.LocalEndPoint!);
        await using SocketServer next = unix
            ? new UnixStreamServer(address, LineEcho.ServeAsync, model.Make())
            : new TcpServer(address, LineEcho.ServeAsync, model.Make());
        await next.StartAsync().InTime();
        await waiting.SayAsync("waited");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_datagram_socket_that_was_passed_is_served(Model model)
    {
        using Socket passed = Make(new IPEndPoint(IPAddress.Loopback, 0), SocketType.Dgram);
        await using var server = new UdpServer($"fd:{passed.Handle}", (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask(), model.Make());
        await server.StartAsync().InTime();
        using var caller = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await caller.ConnectAsync(server.LocalEndPoint!);
        await caller.SendAsync("hello"u8.ToArray());
        var answer = new byte[16];
        Assert.Equal(5, await caller.ReceiveAsync(answer.AsMemory()).InTime());
    }

    [Fact]
    public async Task What_was_passed_is_close_on_exec_once_it_is_bound()
    {
        using Socket passed = Make(new IPEndPoint(IPAddress.Loopback, 0), SocketType.Stream);
        await using var server = new TcpServer($"fd:{passed.Handle}", LineEcho.ServeAsync);
        server.Bind();
        // Descriptor flags of /proc are octal; 02000000 is O_CLOEXEC.
        string flags = File.ReadLines($"/proc/self/fdinfo/{passed.Handle}").First(line => line.StartsWith("flags:", StringComparison.Ordinal));
        Assert.NotEqual(0, Convert.ToInt32(flags[6..].Trim(), 8) & 0x80000);
    }

    [Fact]
    public async Task A_socket_of_the_wrong_kind_is_refused_with_what_it_is()
    {
        using Socket datagrams = Make(new IPEndPoint(IPAddress.Loopback, 0), SocketType.Dgram);
        await using var server = new TcpServer($"fd:{datagrams.Handle}", LineEcho.ServeAsync);
        Assert.Contains("datagram type (IPv4), and a listener of streams is needed", Assert.Throws<SystemCallException>(server.Bind).Message, StringComparison.Ordinal);

        using Socket listener = Make(new IPEndPoint(IPAddress.Loopback, 0), SocketType.Stream);
        listener.Listen();
        using Caller caller = await Caller.ConnectAsync(listener.LocalEndPoint!);
        await using var connected = new TcpServer($"fd:{caller.Socket.Handle}", LineEcho.ServeAsync);
        Assert.Contains("Accept=no", Assert.Throws<SystemCallException>(connected.Bind).Message, StringComparison.Ordinal);

        Assert.Contains("UnixStreamServer can't listen on fd:", Assert.Throws<ArgumentException>(() => new UnixStreamServer($"fd:{listener.Handle}", LineEcho.ServeAsync)).Message, StringComparison.Ordinal);
        Assert.Throws<BadDescriptorException>(() => new TcpServer("fd:1000000", LineEcho.ServeAsync));
        Assert.Throws<FormatException>(() => ServerAddress.Parse("fd:three"));
    }

    [Fact]
    public void The_variables_of_systemd_are_read_as_they_are_documented()
    {
        Assert.Equal([new(3, "web"), new(4, "unknown"), new(5, "admin")], Read("7", "3", "web::admin"));
        Assert.Equal([new(3, "unknown"), new(4, "unknown")], Read("7", "2", null));
        Assert.Empty(Read("8", "2", "meant:for-another-process"));
        Assert.Empty(Read(null, "2", null));
        Assert.Contains("LISTEN_FDS is 'two'", Assert.Throws<FormatException>(() => Read("7", "two", null)).Message, StringComparison.Ordinal);
        Assert.Contains("LISTEN_PID is '-7'", Assert.Throws<FormatException>(() => Read("-7", "2", null)).Message, StringComparison.Ordinal);

        static IReadOnlyList<SystemdSocket> Read(string? process, string? count, string? names) =>
            SystemdSockets.Read(name => name switch { "LISTEN_PID" => process, "LISTEN_FDS" => count, _ => names }, 7);
    }

    [Fact]
    public void A_socket_of_systemd_is_found_by_name_or_place_and_else_said_to_be_missing()
    {
        IReadOnlyList<SystemdSocket> passed = [new(3, "web"), new(4, "twice"), new(5, "twice")];
        Assert.Equal(3, SystemdSockets.Find(passed, "web").Descriptor);
        Assert.Equal(5, SystemdSockets.Find(passed, "2").Descriptor);
        Assert.Contains("0 (web), 1 (twice), 2 (twice)", Assert.Throws<FormatException>(() => SystemdSockets.Find(passed, "twice")).Message, StringComparison.Ordinal);
        Assert.Contains("none of the sockets that were passed", Assert.Throws<FormatException>(() => SystemdSockets.Find(passed, "3")).Message, StringComparison.Ordinal);
        Assert.Contains("LISTEN_FDS", Assert.Throws<FormatException>(() => ServerAddress.Parse("systemd:web")).Message, StringComparison.Ordinal);
    }

    private static Socket Make(EndPoint address, SocketType type)
    {
        var socket = new Socket(address.AddressFamily, type, ProtocolType.Unspecified);
        socket.Bind(address);
        return socket;
    }
}
