using System.Net;
using System.Net.Sockets;
using System.Text;
using Switchboard.Linux;

namespace Switchboard.Servers.Tests;

/// <summary>Connections that a program opens: in a handler of each model, and outside of all servers.</summary>
public sealed class OutgoingConnectionTests
{
    /// <summary>Where the connection is opened: in a handler of a model, or (null) outside.</summary>
    public static TheoryData<Model?> Places => [(Model?)null, .. Enum.GetValues<Model>().Select(model => (Model?)model)];

    public static TheoryData<Model?, bool> PlacesAndSockets =>
        [.. from place in Places from unix in (bool[])[false, true] select new TheoryDataRow<Model?, bool>(place.Data, unix)];

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(PlacesAndSockets))]
    public async Task A_connection_speaks_with_a_server_by_messages(Model? place, bool unix)
    {
        using var folder = new TemporaryFolder();
        await using StreamServer echo = await EchoAsync(unix ? $"unix:{folder.File("echo")}" : "127.0.0.1:0");
        await RunAsync(place, async stop =>
        {
            int thread = Environment.CurrentManagedThreadId;
            await using Connection connection = await Connection.ConnectAsync(echo.LocalEndPoint!, cancellation: stop);
            Assert.True(connection.IsOutgoing);
            Assert.Equal(echo.LocalEndPoint!.ToString(), connection.RemoteEndPoint!.ToString());
            for (int i = 0; i < 100; i++)
            {
                await connection.WriteAsync(Encoding.ASCII.GetBytes($"line {i}\n"), stop);
                ReadOnlyMemory<byte>? line = await connection.ReadMessageAsync(Framing.Line, stop);
                Assert.Equal($"line {i}", Encoding.ASCII.GetString(line!.Value.Span));
            }
            if (place is not (null or Model.Tasks))
            {
                Assert.Equal(thread, Environment.CurrentManagedThreadId);
            }
            await connection.CloseOutputAsync();
            Assert.Null(await connection.ReadMessageAsync(Framing.Line, stop));
            await connection.DisposeAsync();
            ConnectionEnd end = await connection.Closed;
            Assert.Equal(ConnectionEndReason.PeerClosed, end.Reason);
            Assert.Equal(790, end.Received);
            Assert.Equal(790, end.Sent);
        });
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Places))]
    public async Task Numbers_of_connections_are_the_process_s_own(Model? place)
    {
        await using StreamServer echo = await EchoAsync();
        await RunAsync(place, async stop =>
        {
            await using Connection first = await Connection.ConnectAsync(echo.LocalEndPoint!, cancellation: stop);
            await using Connection second = await Connection.ConnectAsync(echo.LocalEndPoint!, cancellation: stop);
            await second.WriteAsync("x\n"u8.ToArray(), stop);
            await second.ReadMessageAsync(Framing.Line, stop);
            long[] ids = [first.Id, second.Id, .. echo.Connections.Select(connection => connection.Id)];
            Assert.Equal(ids.Length, ids.Distinct().Count());
        });
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Places))]
    public async Task Disposing_sends_what_waits_and_then_ends(Model? place)
    {
        const int Copies = 200;
        byte[] copy = Sizes.Pattern(1000);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task run = RunAsync(place, async stop =>
        {
            await using Connection connection = await Connection.ConnectAsync(listener.LocalEndpoint,
                new ClientOptions { Limits = new ConnectionLimits { PendingSend = Copies * copy.Length } }, stop);
            for (int i = 0; i < Copies; i++)
            {
                Assert.True(connection.TrySend(copy));
            }
        });
        using Socket peer = await listener.AcceptSocketAsync().InTime();
        var got = new byte[(Copies * copy.Length) + 1];
        int filled = 0;
        for (int read; (read = await peer.ReceiveAsync(got.AsMemory(filled)).InTime()) > 0;)
        {
            filled += read;
        }
        Assert.Equal(Copies * copy.Length, filled);
        await run.InTime();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Places))]
    public async Task Nobody_at_an_address_is_said_with_the_address(Model? place)
    {
        using var folder = new TemporaryFolder();
        IPEndPoint nobody = FreePort();
        await RunAsync(place, async stop =>
        {
            ConnectFailedException refused = await Assert.ThrowsAsync<ConnectFailedException>(() => Connection.ConnectAsync(nobody, cancellation: stop));
            Assert.Contains($"{nobody} refused the connection", refused.Message, StringComparison.Ordinal);
            Assert.Equal(nobody, refused.Address.EndPoint);
            ConnectFailedException missing = await Assert.ThrowsAsync<ConnectFailedException>(() => Connection.ConnectAsync($"unix:{folder.File("none")}", cancellation: stop));
            Assert.Contains($"There is no socket at unix:{folder.File("none")}", missing.Message, StringComparison.Ordinal);
        });
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Places))]
    public async Task A_server_that_does_not_answer_is_waited_for_as_long_as_the_options_say(Model? place)
    {
        using FullListener full = await FullListener.CreateAsync();
        await RunAsync(place, async stop =>
        {
            var options = new ClientOptions { ConnectTimeout = TimeSpan.FromMilliseconds(100) };
            ConnectFailedException late = await Assert.ThrowsAsync<ConnectFailedException>(() => Connection.ConnectAsync(full.Address, options, stop));
            Assert.Contains("00:00:00.1000000, which is ClientOptions.ConnectTimeout", late.Message, StringComparison.Ordinal);
            using var end = CancellationTokenSource.CreateLinkedTokenSource(stop);
            Task<Connection> attempt = Connection.ConnectAsync(full.Address, cancellation: end.Token);
            await end.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => attempt);
        });
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Places))]
    public async Task A_name_is_looked_up_and_its_addresses_tried_in_turn(Model? place)
    {
        await using StreamServer echo = await EchoAsync();
        int port = ((IPEndPoint)echo.LocalEndPoint!).Port;
        await RunAsync(place, async stop =>
        {
            // Where it has an IPv6 address too, nobody listens there.
            await using Connection connection = await Connection.ConnectAsync(new DnsEndPoint("localhost", port), cancellation: stop);
            await EchoOnceAsync(connection, stop);
            Assert.Equal(echo.LocalEndPoint!.ToString(), connection.RemoteEndPoint!.ToString());
            var options = new ClientOptions { ConnectTimeout = TimeSpan.FromSeconds(5) };
            ConnectFailedException unknown = await Assert.ThrowsAsync<ConnectFailedException>(() => Connection.ConnectAsync("host.invalid:80", options, stop));
            Assert.Contains("host.invalid", unknown.Message, StringComparison.Ordinal);
        });
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Places))]
    public async Task A_connection_may_have_an_address_of_its_own(Model? place)
    {
        await using StreamServer echo = await EchoAsync();
        await RunAsync(place, async stop =>
        {
            await using Connection connection = await Connection.ConnectAsync(echo.LocalEndPoint!, new ClientOptions { From = "127.0.0.2:0" }, stop);
            Assert.Equal("127.0.0.2", ((IPEndPoint)connection.LocalEndPoint!).Address.ToString());
            await EchoOnceAsync(connection, stop);
            ConnectFailedException other = await Assert.ThrowsAsync<ConnectFailedException>(() => Connection.ConnectAsync(echo.LocalEndPoint!, new ClientOptions { From = "[::1]:0" }, stop));
            Assert.Contains("ClientOptions.From", other.Message, StringComparison.Ordinal);
        });
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Places))]
    public async Task A_peer_that_vanishes_is_found_out_by_the_same_settings_as_a_server_s(Model? place)
    {
        using var folder = new TemporaryFolder();
        await using StreamServer echo = await EchoAsync();
        await using StreamServer file = await EchoAsync($"unix:{folder.File("echo")}");
        await RunAsync(place, async stop =>
        {
            Assert.Equal((int[])[1, 120, 15, 4, 0], await SetAsync(new()));
            var given = new ClientOptions { KeepAliveTime = TimeSpan.FromSeconds(40.5), KeepAliveInterval = TimeSpan.FromSeconds(7), KeepAliveProbes = 5, UserTimeout = TimeSpan.FromMilliseconds(90_000.2) };
            Assert.Equal((int[])[1, 41, 7, 5, 90_001], await SetAsync(given));
            // Without questions their times are left as the kernel has them; the user timeout stands by itself.
            int[] quiet = await SetAsync(given with { KeepAlive = false });
            Assert.Equal((0, 90_001), (quiet[0], quiet[4]));
            Assert.NotEqual(41, quiet[1]);
            await using Connection local = await Connection.ConnectAsync(file.LocalEndPoint!, given, stop);
            await EchoOnceAsync(local, stop);

            async Task<int[]> SetAsync(ClientOptions options)
            {
                await using Connection connection = await Connection.ConnectAsync(echo.LocalEndPoint!, options, stop);
                int descriptor = ((StreamTransport)connection.Transport).Descriptor;
                return [.. new[] { SocketCallOption.KeepAlive, SocketCallOption.KeepAliveTime, SocketCallOption.KeepAliveInterval, SocketCallOption.KeepAliveProbes, SocketCallOption.UserTimeout }
                    .Select(option => SocketCalls.GetOption(descriptor, option).OrThrow("getsockopt", option.ToString()))];
            }
        });
        Assert.Throws<ArgumentOutOfRangeException>(() => new ClientOptions { KeepAliveTime = TimeSpan.FromMilliseconds(999) });
        Assert.Throws<ArgumentOutOfRangeException>(() => new ClientOptions { KeepAliveInterval = TimeSpan.FromSeconds(32_768) });
        Assert.Throws<ArgumentOutOfRangeException>(() => new ClientOptions { KeepAliveProbes = 128 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new ClientOptions { UserTimeout = TimeSpan.Zero });
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Places))]
    public async Task Limits_hold_as_on_a_server(Model? place)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await RunAsync(place, async stop =>
        {
            await using Connection silent = await ConnectAsync(new ConnectionLimits { Idle = TimeSpan.FromMilliseconds(50) });
            ConnectionEndedException idle = await Assert.ThrowsAsync<ConnectionEndedException>(async () => await silent.ReadAsync(new byte[1], stop));
            Assert.Equal(ConnectionEndReason.Idle, idle.Reason);
            Assert.Contains("ConnectionLimits.Idle", idle.Message, StringComparison.Ordinal);
            await silent.DisposeAsync();
            Assert.Equal(ConnectionEndReason.Idle, (await silent.Closed).Reason);

            await using Connection stalled = await ConnectAsync(new ConnectionLimits { WriteStall = TimeSpan.FromMilliseconds(50) });
            ConnectionEndedException stall = await Assert.ThrowsAsync<ConnectionEndedException>(async () => await stalled.WriteAsync(new byte[Sizes.MoreThanBuffered], stop));
            Assert.Equal(ConnectionEndReason.WriteStalled, stall.Reason);

            async Task<Connection> ConnectAsync(ConnectionLimits limits) =>
                await Connection.ConnectAsync(listener.LocalEndpoint, new ClientOptions { Limits = limits }, stop);
        });
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_stop_of_the_server_is_told_to_the_connections_that_its_handlers_opened(Model model)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var waits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var call = new OneCall<bool>(model.Make(), async (_, stop) =>
        {
            await using Connection onward = await Connection.ConnectAsync(listener.LocalEndpoint, cancellation: stop);
            Assert.Equal(stop, onward.Stopping);
            ValueTask<int> read = onward.ReadAsync(new byte[1], onward.Stopping);
            waits.SetResult();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await read);
            // It is usable still, for a last word.
            await onward.WriteAsync("bye"u8.ToArray(), CancellationToken.None);
            return true;
        });
        using Caller caller = await call.CallAsync();
        using Socket peer = await listener.AcceptSocketAsync().InTime();
        await waits.Task.InTime();
        Task stopped = call.Server.StopAsync();
        Assert.True(await call.Result);
        var word = new byte[4];
        Assert.Equal(3, await peer.ReceiveAsync(word).InTime());
        Assert.Equal(0, await peer.ReceiveAsync(word).InTime());
        await stopped.InTime();
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Outside_of_servers_nothing_stops_a_connection()
    {
        await using StreamServer echo = await EchoAsync();
        await using Connection connection = await Connection.ConnectAsync(echo.LocalEndPoint!);
        Assert.False(connection.Stopping.CanBeCanceled);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Outside_of_servers_a_thread_may_block()
    {
        await using StreamServer echo = await EchoAsync();
        await Task.Factory.StartNew(() =>
        {
            using Connection connection = Connection.Connect(echo.LocalEndPoint!);
            for (int i = 0; i < 20; i++)
            {
                connection.Write("hello\n"u8);
                Assert.Equal("hello", Encoding.ASCII.GetString(connection.ReadMessage(Framing.Line)!.Value.Span));
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).InTime();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Sequential)]
    [InlineData(Model.Threads)]
    public async Task A_blocking_handler_connects_onwards_and_a_stop_ends_its_reads(Model model)
    {
        await using StreamServer echo = await EchoAsync();
        var waits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new TcpServer("127.0.0.1:0", () => new BlockingClient(echo.LocalEndPoint!, waits), model.Make());
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.SendAsync("to and fro\n");
        await caller.ExpectAsync("to and fro\n");
        await waits.Task.InTime();
        Task stopped = server.StopAsync();
        await caller.ExpectAsync("0 read\n");
        await stopped.InTime();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.OneLoop)]
    [InlineData(Model.Tasks)]
    public async Task A_thread_that_others_need_must_not_block_for_a_connection(Model model)
    {
        await using StreamServer echo = await EchoAsync();
        await RunAsync(model, async _ =>
        {
            await Task.Yield();
            InvalidOperationException refused = Assert.Throws<InvalidOperationException>(() => Connection.Connect(echo.LocalEndPoint!));
            Assert.Contains("ConnectAsync", refused.Message, StringComparison.Ordinal);
        });
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Disposing_the_connection_of_a_server_ends_its_output_only()
    {
        await using var call = new OneCall<int>(Concurrency.EventLoop(), async (connection, stop) =>
        {
            await using (connection)
            {
                await connection.WriteAsync("last words"u8.ToArray(), stop);
            }
            return await connection.ReadAsync(new byte[10], stop);
        });
        using Caller caller = await call.CallAsync();
        Assert.Equal("last words", await caller.ReadTextToEndAsync());
        await caller.SendAsync("mine");
        Assert.Equal(4, await call.Result);
        Assert.Equal(ConnectionEndReason.HandlerReturned, (await call.End).Reason);
    }

    [Fact]
    public void A_name_can_be_called_but_not_listened_on()
    {
        Assert.Equal(new DnsEndPoint("example.org", 80), ((ServerAddress)"example.org:80").EndPoint);
        Assert.Equal("example.org:80", ((ServerAddress)"example.org:80").ToString());
        FormatException refused = Assert.Throws<FormatException>(() => new TcpServer("example.org:80", LineEcho.ServeAsync));
        Assert.Contains("'example.org' in 'example.org:80' is not an address of this machine", refused.Message, StringComparison.Ordinal);
        Assert.Throws<FormatException>(() => ServerAddress.Parse("256.0.0.1:80"));
        Assert.Throws<FormatException>(() => ServerAddress.Parse("not a name:80"));
        Assert.Throws<FormatException>(() => ServerAddress.Parse(":80"));
    }

    [Fact]
    public void The_families_of_a_name_are_tried_in_turn()
    {
        static IPEndPoint At(string address) => new(IPAddress.Parse(address), 1);
        EndPoint[] all = Connecting.Alternate([At("::1"), At("::2"), At("::3"), At("1.1.1.1"), At("2.2.2.2")]);
        Assert.Equal([At("::1"), At("1.1.1.1"), At("::2"), At("2.2.2.2"), At("::3")], all);
    }

    [Theory]
    [InlineData(Linux.Errno.HostUnreachable, "There is no way to 192.0.2.1:80")]
    [InlineData(Linux.Errno.NetworkUnreachable, "There is no way to 192.0.2.1:80")]
    [InlineData(Linux.Errno.TimedOut, "192.0.2.1:80 did not answer")]
    [InlineData(Linux.Errno.ProcessDescriptorLimit, "ulimit -n")]
    [InlineData(Linux.Errno.SystemDescriptorLimit, "fs.file-max")]
    [InlineData(Linux.Errno.AddressNotAvailable, "ClientOptions.From")]
    [InlineData(Linux.Errno.NotPermitted, "192.0.2.1:80 can't be reached")]
    public void Every_error_says_whom_it_was_about(Linux.Errno errno, string part)
    {
        var failure = ConnectFailedException.Of(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 80), Linux.SystemCallException.For("connect", errno));
        Assert.Contains(part, failure.Message, StringComparison.Ordinal);
        Assert.Contains("192.0.2.1:80", failure.Message, StringComparison.Ordinal);
    }

    private static async Task EchoOnceAsync(Connection connection, CancellationToken stop)
    {
        await connection.WriteAsync("hello\n"u8.ToArray(), stop);
        Assert.Equal("hello", Encoding.ASCII.GetString((await connection.ReadMessageAsync(Framing.Line, stop))!.Value.Span));
    }

    private static async Task<StreamServer> EchoAsync(string address = "127.0.0.1:0")
    {
        StreamServer server = address.StartsWith("unix:", StringComparison.Ordinal)
            ? new UnixStreamServer(address, LineEcho.ServeAsync)
            : new TcpServer(address, LineEcho.ServeAsync);
        await server.StartAsync().InTime();
        return server;
    }

    /// <summary>Runs something in a handler of a model, or here.</summary>
    private static async Task RunAsync(Model? place, Func<CancellationToken, Task> run)
    {
        if (place is not { } model)
        {
            using var time = new CancellationTokenSource(Deadline.Time);
            await Task.Run(() => run(time.Token), time.Token).InTime();
            return;
        }
        await using var call = new OneCall<bool>(model.Make(), async (_, stop) =>
        {
            await run(stop);
            return true;
        });
        using Caller caller = await call.CallAsync();
        Assert.True(await call.Result);
    }

    private static IPEndPoint FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return (IPEndPoint)socket.LocalEndPoint!;
    }

    private sealed class BlockingClient(EndPoint address, TaskCompletionSource waits) : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop)
        {
            using Connection onward = Connection.Connect(address);
            onward.Write(Connection.ReadMessage(Framing.Line)!.Value.Span);
            onward.Write("\n"u8);
            Connection.Write(onward.ReadMessage(Framing.Line)!.Value.Span);
            Connection.Write("\n"u8);
            waits.SetResult();
            Connection.Write(Encoding.ASCII.GetBytes($"{onward.Read(new byte[1])} read\n"));
        }
    }

    /// <summary>A listener whose backlog is full: the kernel answers nobody.</summary>
    private sealed class FullListener : IDisposable
    {
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Unspecified);
        private readonly List<Socket> _callers = [];

        internal EndPoint Address => _listener.LocalEndPoint!;

        internal static async Task<FullListener> CreateAsync()
        {
            var full = new FullListener();
            full._listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            full._listener.Listen(0);
            while (true)
            {
                var caller = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Unspecified);
                full._callers.Add(caller);
                using var time = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
                try
                {
                    await caller.ConnectAsync(full.Address, time.Token);
                }
                catch (OperationCanceledException)
                {
                    return full;
                }
            }
        }

        public void Dispose()
        {
            _callers.ForEach(caller => caller.Dispose());
            _listener.Dispose();
        }
    }
}
