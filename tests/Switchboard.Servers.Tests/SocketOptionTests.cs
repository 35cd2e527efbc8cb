using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers.Tests;

/// <summary>Each option of the socket is set by itself, and the kernel has it.</summary>
public sealed class SocketOptionTests
{
    public static MatrixTheoryData<bool, bool, Model> TwoOptions => new([false, true], [false, true], [Model.Threads, Model.Tasks]);

    [Theory]
    [MemberData(nameof(TwoOptions))]
    public async Task Address_reuse_and_port_reuse_are_two_options(bool address, bool port, Model model)
    {
        await using ExposedServer server = Make(new() { ReuseAddress = address, ReusePort = port }, model: model);
        server.Bind();
        Assert.Equal(address, IsSet(server.Descriptor, SocketCallOption.ReuseAddress));
        Assert.Equal(port, IsSet(server.Descriptor, SocketCallOption.ReusePort));
    }

    [Theory]
    [MemberData(nameof(TwoOptions))]
    public async Task Two_servers_share_a_port_only_if_both_ask_for_it(bool first, bool second, Model model)
    {
        await using ExposedServer one = Make(new() { ReusePort = first }, model: model);
        one.Activate();
        await using ExposedServer two = Make(new() { ReusePort = second }, $"{one.LocalEndPoint}", model);
        if (first && second)
        {
            two.Activate();
            Assert.Equal(one.LocalEndPoint, two.LocalEndPoint);
        }
        else
        {
            Assert.Throws<AddressInUseException>(two.Activate);
        }
    }

    [Theory]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite, true)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite, true)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite, false)]
    public async Task The_file_of_a_unix_socket_has_the_mode_that_was_asked_for(UnixFileMode mode, bool stream)
    {
        using var folder = new TemporaryFolder();
        ServerAddress address = folder.Address("mode");
        var options = new ServerOptions { Socket = new() { UnixMode = mode } };
        await using SocketServer server = stream
            ? new UnixStreamServer(address, (_, _) => Task.CompletedTask, Concurrency.Threads(), options)
            : new UnixDatagramServer(address, (_, _) => Task.CompletedTask, Concurrency.Threads(), options);
        server.Bind();
        Assert.Equal(mode, OperatingSystem.IsWindows() ? 0 : File.GetUnixFileMode(BoundSocket.FileOf(server.LocalEndPoint)!));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(true, Model.Threads)]
    [InlineData(false, Model.Threads)]
    [InlineData(true, Model.Tasks)]
    [InlineData(false, Model.Tasks)]
    public async Task No_delay_and_keep_alive_reach_the_connections(bool on, Model model)
    {
        var seen = new TaskCompletionSource<(bool, bool)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var options = new ServerOptions { Socket = new() { NoDelay = on, KeepAlive = !on } };
        await using var server = new ExposedServer(model.Make(), options, (connection, _) =>
        {
            int descriptor = ((StreamTransport)connection.Transport).Descriptor;
            seen.SetResult((IsSet(descriptor, SocketCallOption.NoDelay), IsSet(descriptor, SocketCallOption.KeepAlive)));
            return Task.CompletedTask;
        });
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        Assert.Equal((on, !on), await seen.Task.InTime());
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task The_times_of_keep_alive_and_unconfirmed_data_reach_the_connections(Model model)
    {
        var seen = new TaskCompletionSource<int[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        var options = new ServerOptions
        {
            Socket = new() { KeepAliveTime = TimeSpan.FromSeconds(40.5), KeepAliveInterval = TimeSpan.FromSeconds(7), KeepAliveProbes = 5, UserTimeout = TimeSpan.FromSeconds(90) },
        };
        await using var server = new ExposedServer(model.Make(), options, (connection, _) =>
        {
            int descriptor = ((StreamTransport)connection.Transport).Descriptor;
            seen.SetResult([.. new[] { SocketCallOption.KeepAliveTime, SocketCallOption.KeepAliveInterval, SocketCallOption.KeepAliveProbes, SocketCallOption.UserTimeout }
                .Select(option => SocketCalls.GetOption(descriptor, option).OrThrow("getsockopt", option.ToString()))]);
            return Task.CompletedTask;
        });
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        Assert.Equal((int[])[41, 7, 5, 90_000], await seen.Task.InTime());
    }

    [Fact]
    public void Times_that_the_kernel_does_not_take_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new Polling.ListenerOptions { KeepAliveTime = TimeSpan.FromMilliseconds(999) });
        Assert.Throws<ArgumentOutOfRangeException>(() => new Polling.ListenerOptions { KeepAliveInterval = TimeSpan.FromSeconds(32_768) });
        Assert.Throws<ArgumentOutOfRangeException>(() => new Polling.ListenerOptions { KeepAliveProbes = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new Polling.ListenerOptions { UserTimeout = TimeSpan.Zero });
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(true, Model.Threads)]
    [InlineData(false, Model.Threads)]
    [InlineData(true, Model.Tasks)]
    [InlineData(false, Model.Tasks)]
    public async Task A_server_on_all_addresses_takes_IPv4_callers_if_it_is_dual(bool dual, Model model)
    {
        Assert.SkipUnless(HasIPv6(), "This machine has no IPv6 address to bind to.");
        await using ExposedServer server = Make(new() { DualMode = dual }, "*:0", model);
        await server.StartAsync().InTime();
        int port = ((IPEndPoint)server.LocalEndPoint!).Port;
        using (Caller six = await Caller.ConnectAsync(new IPEndPoint(IPAddress.IPv6Loopback, port)))
        {
            Assert.Equal("::1", await six.ReadTextToEndAsync());
        }
        if (dual)
        {
            using Caller four = await Caller.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
            Assert.EndsWith("127.0.0.1", await four.ReadTextToEndAsync(), StringComparison.Ordinal);
        }
        else
        {
            var refused = await Assert.ThrowsAsync<SocketException>(() => Caller.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port)));
            Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        }
    }

    private static ExposedServer Make(Polling.ListenerOptions socket, string address = "127.0.0.1:0", Model model = Model.Threads) => new(
        model.Make(),
        new ServerOptions { Socket = socket },
        (connection, stop) => connection.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"{((IPEndPoint)connection.RemoteEndPoint!).Address}"), stop).AsTask(),
        address);

    private static bool IsSet(int descriptor, SocketCallOption option) => SocketCalls.GetOption(descriptor, option).OrThrow("getsockopt", option.ToString()) != 0;

    private static bool HasIPv6()
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
