using Switchboard.Linux;

namespace Switchboard.Servers.Tests;

/// <summary>Several servers that live and end together.</summary>
public sealed class ServerGroupTests
{
    public static TheoryData<Model> Together => [Model.Threads, Model.OneLoop, Model.ThreeLoops, Model.Tasks];

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Servers_of_each_kind_are_started_and_stopped_together(Model model)
    {
        using var folder = new TemporaryFolder();
        Concurrency concurrency = model.Make();
        var tcp = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, concurrency);
        var unix = new UnixStreamServer($"unix:{folder.File("echo")}", LineEcho.ServeAsync, concurrency);
        var udp = new UdpServer<DatagramEchoHandler>("127.0.0.1:0", concurrency);
        await using var group = new ServerGroup(tcp, unix, udp);
        await group.StartAsync().InTime();
        await group.StartAsync().InTime();
        using (Caller first = await Caller.ConnectAsync(tcp))
        {
            await first.SayAsync("by TCP");
        }
        using (Caller second = await Caller.ConnectAsync(unix))
        {
            await second.SayAsync("by a Unix socket");
        }
        using var third = new DatagramCaller(udp);
        await third.SendAsync("by UDP");
        Assert.Equal("by UDP", await third.ReceiveAsync());
        await Deadline.UntilAsync(() => group.Statistics is { Open: 0, Accepted: 3 } sum && sum.EndedBy.Values.Sum() == 2, "all are counted");
        await group.StopAsync().InTime();
        await group.Completion.InTime();
        Assert.False(File.Exists(folder.File("echo")));
        Assert.All(group.Servers, server => Assert.True(server.Completion.IsCompletedSuccessfully));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Binding_gives_all_their_addresses_or_none_and_lets_nobody_in_before_the_start(Model model)
    {
        using var folder = new TemporaryFolder();
        Concurrency concurrency = model.Make();
        var port = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, concurrency);
        await using var group = new ServerGroup(port, new UnixStreamServer(folder.Address("first"), LineEcho.ServeAsync, concurrency));
        group.Bind();
        Assert.True(File.Exists(folder.File("first")));
        await Assert.ThrowsAsync<System.Net.Sockets.SocketException>(() => Caller.ConnectAsync(port));
        await group.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(port);
        await caller.SayAsync("after the start");

        Concurrency another = model.Make();
        var busy = new TcpServer(port.LocalEndPoint!, LineEcho.ServeAsync, another);
        await using var second = new ServerGroup(new UnixStreamServer(folder.Address("second"), LineEcho.ServeAsync, another), busy);
        Assert.Equal(busy, Assert.Throws<ServerGroupException>(second.Bind).Server);
        Assert.False(File.Exists(folder.File("second")));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_port_that_is_busy_stops_them_all_and_is_named(Model model)
    {
        using var folder = new TemporaryFolder();
        await using var other = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync);
        other.Activate();
        Concurrency concurrency = model.Make();
        var first = new UnixStreamServer($"unix:{folder.File("first")}", LineEcho.ServeAsync, concurrency);
        var busy = new TcpServer(other.LocalEndPoint!, LineEcho.ServeAsync, concurrency);
        var last = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, concurrency);
        await using var group = new ServerGroup(first, busy, last);
        ServerGroupException failure = await Assert.ThrowsAsync<ServerGroupException>(() => group.StartAsync()).InTime();
        Assert.Same(busy, failure.Server);
        Assert.Contains($"{other.LocalEndPoint} is in use", failure.Message, StringComparison.Ordinal);
        Assert.IsType<AddressInUseException>(failure.InnerException);
        Assert.False(File.Exists(folder.File("first")));
        Assert.Same(failure, await Assert.ThrowsAsync<ServerGroupException>(() => group.Completion.InTime()));
        await using var again = new UnixStreamServer($"unix:{folder.File("first")}", LineEcho.ServeAsync);
        again.Bind();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Together))]
    public async Task Connections_of_all_are_listed_found_told_and_ended(Model model)
    {
        using var folder = new TemporaryFolder();
        await using ServerGroup group = ServerGroup.Of(["127.0.0.1:0", $"unix:{folder.File("a")}", "127.0.0.1:0"], LineEcho.ServeAsync, model.Make());
        await group.StartAsync().InTime();
        var callers = new List<Caller>();
        foreach (SocketServer server in group.Servers)
        {
            for (int i = 0; i < 5; i++)
            {
                callers.Add(await Caller.ConnectAsync(server));
                await callers[^1].SayAsync("here");
            }
        }
        IReadOnlyCollection<Connection> all = group.Connections;
        Assert.Equal(15, all.Select(connection => connection.Id).Distinct().Count());
        Assert.All(all, connection =>
        {
            Assert.Same(connection, group.Find(connection.Id));
            Assert.Equal(nameof(LineEcho.ServeAsync), connection.HandlerName?.Split('.')[^1]);
            Assert.Equal(5, connection.Received);
            Assert.Equal(5, connection.Sent);
            Assert.InRange(connection.Age, TimeSpan.Zero, Deadline.Time);
        });
        Assert.Equal(15, group.Broadcast("news\n"u8));
        await Task.WhenAll(callers.Select(caller => caller.ExpectAsync("news\n")));
        Connection one = all.First(connection => $"{connection.RemoteEndPoint}" == callers[0].LocalAddress);
        Assert.True(group.End(one.Id, "The operator has ended it."));
        await callers[0].WaitForEndAsync();
        Assert.Equal(ConnectionEndReason.Aborted, (await one.Closed.InTime()).Reason);
        await Deadline.UntilAsync(() => !group.End(one.Id), "it is forgotten");
        await Task.WhenAll(callers.Skip(1).Select(caller => caller.SayAsync("still here")));
        callers.ForEach(caller => caller.Dispose());
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Together))]
    public async Task A_stop_drains_all_and_cuts_what_is_left(Model model)
    {
        using var folder = new TemporaryFolder();
        var waits = new SemaphoreSlim(0);
        Concurrency concurrency = model.Make();
        await using ServerGroup group = ServerGroup.Of(["127.0.0.1:0", $"unix:{folder.File("a")}"], async (connection, stop) =>
        {
            waits.Release();
            try
            {
                await connection.ReadAsync(new byte[1], stop);
            }
            catch (OperationCanceledException)
            {
                await connection.WriteAsync("bye"u8.ToArray(), CancellationToken.None);
                // It overstays.
                await connection.ReadAsync(new byte[1], CancellationToken.None);
            }
        }, concurrency);
        await group.StartAsync().InTime();
        using Caller first = await Caller.ConnectAsync(group.Servers[0]);
        using Caller second = await Caller.ConnectAsync(group.Servers[1]);
        Assert.True(await waits.WaitAsync(Deadline.Time));
        Assert.True(await waits.WaitAsync(Deadline.Time));
        Task stopped = group.StopAsync(TimeSpan.FromMilliseconds(100));
        await first.ExpectAsync("bye");
        await second.ExpectAsync("bye");
        await stopped.InTime();
        await first.WaitForEndAsync();
        await second.WaitForEndAsync();
        await group.Completion.InTime();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Together))]
    public async Task A_handler_may_stop_the_group_that_it_belongs_to(Model model)
    {
        ServerGroup? group = null;
        await using ServerGroup own = group = ServerGroup.Of(["127.0.0.1:0", "127.0.0.1:0"], async (connection, stop) =>
        {
            await connection.ReadAsync(new byte[1], stop);
            await group!.StopAsync();
            await connection.WriteAsync("stopped"u8.ToArray(), CancellationToken.None);
        }, model.Make());
        await own.StartAsync().InTime();
        using Caller idle = await Caller.ConnectAsync(own.Servers[1]);
        using Caller caller = await Caller.ConnectAsync(own.Servers[0]);
        await caller.SendAsync("x");
        await caller.ExpectAsync("stopped");
        await own.Completion.InTime();
        await idle.WaitForEndAsync();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Together))]
    public async Task A_server_that_fails_ends_the_others_and_one_that_is_stopped_does_not(Model model)
    {
        Concurrency concurrency = model.Make();
        var stopped = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, concurrency);
        var failing = new FailingServer("127.0.0.1:0", concurrency);
        var other = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, concurrency);
        var group = new ServerGroup(stopped, failing, other);
        Task served = group.ServeForeverAsync();
        await group.StartAsync().InTime();
        await stopped.StopAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(other);
        await caller.SayAsync("still here");
        Assert.False(group.Completion.IsCompleted);
        failing.Fails = true;
        try
        {
            (await Caller.ConnectAsync(failing)).Dispose();
        }
        catch (System.Net.Sockets.SocketException)
        {
            // The listener is closed by now, and with it the backlog.
        }
        ServerGroupException failure = await Assert.ThrowsAsync<ServerGroupException>(() => served.InTime());
        Assert.Same(failing, failure.Server);
        Assert.Contains(failing.Name, failure.Message, StringComparison.Ordinal);
        await other.Completion.InTime();
        await Assert.ThrowsAnyAsync<IOException>(async () => await group.StopAsync().InTime());
        await caller.WaitForEndAsync();
        await Assert.ThrowsAnyAsync<IOException>(async () => await group.DisposeAsync());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Servers_with_the_same_loop_run_on_one_thread_and_others_do_not()
    {
        using var folder = new TemporaryFolder();
        var threads = new HashSet<int>();
        Concurrency one = Concurrency.EventLoop();
        Func<Connection, CancellationToken, Task> handler = async (connection, stop) =>
        {
            // No lock: there is one thread.
            threads.Add(Environment.CurrentManagedThreadId);
            await LineEcho.ServeAsync(connection, stop);
        };
        var tcp = new TcpServer("127.0.0.1:0", handler, one);
        var unix = new UnixStreamServer($"unix:{folder.File("a")}", handler, one);
        var udp = new UdpServer("127.0.0.1:0", async (datagram, stop) =>
        {
            threads.Add(Environment.CurrentManagedThreadId);
            await datagram.ReplyAsync(datagram.Data, stop);
        }, one);
        int foreign = 0;
        var apart = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            foreign = Environment.CurrentManagedThreadId;
            await LineEcho.ServeAsync(connection, stop);
        }, Concurrency.EventLoop());
        await using var group = new ServerGroup(tcp, unix, udp, apart);
        await group.StartAsync().InTime();
        foreach (SocketServer server in (SocketServer[])[tcp, unix, apart])
        {
            using Caller caller = await Caller.ConnectAsync(server);
            await caller.SayAsync("hello");
        }
        using var datagrams = new DatagramCaller(udp);
        await datagrams.SendAsync("hello");
        Assert.Equal("hello", await datagrams.ReceiveAsync());
        Assert.DoesNotContain(foreign, Assert.Single(threads) is var single ? [single] : Array.Empty<int>());
        await tcp.StopAsync().InTime();
        using Caller late = await Caller.ConnectAsync(unix);
        await late.SayAsync("the loop goes on for the others");
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Callers_are_dealt_by_what_all_servers_of_the_loops_have()
    {
        const int Count = 60;
        var byThread = new System.Collections.Concurrent.ConcurrentDictionary<int, int>();
        await using ServerGroup group = ServerGroup.Of(["127.0.0.1:0", "127.0.0.1:0"], async (connection, stop) =>
        {
            byThread.AddOrUpdate(Environment.CurrentManagedThreadId, 1, static (_, count) => count + 1);
            await LineEcho.ServeAsync(connection, stop);
        }, Concurrency.EventLoop(2));
        await group.StartAsync().InTime();
        Caller[] first = await LineEcho.ConnectAllAsync(group.Servers[0], Count);
        await Task.WhenAll(first.Select(caller => caller.SayAsync("first")));
        Caller[] second = await LineEcho.ConnectAllAsync(group.Servers[1], Count);
        await Task.WhenAll(second.Select(caller => caller.SayAsync("second")));
        Assert.Equal(2, byThread.Count);
        Assert.InRange(Math.Abs(byThread.Values.First() - byThread.Values.Last()), 0, 8 + (Count / 8) + 2);
        LineEcho.DisposeAll([.. first, .. second]);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_handler_that_blocks_a_shared_loop_is_told_of_by_its_own_server()
    {
        var log = new RecordingLog();
        var options = new ServerOptions { LoggerFactory = log, BlockedLoop = TimeSpan.FromMilliseconds(50) };
        Concurrency one = Concurrency.EventLoop();
        using var release = new ManualResetEventSlim();
        var quick = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, one, options with { Name = "quick" });
        var slow = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            await connection.ReadAsync(new byte[1], stop);
            release.Wait(Deadline.Time, CancellationToken.None);
        }, one, options with { Name = "slow" });
        await using var group = new ServerGroup(quick, slow);
        await group.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(slow);
        await caller.SendAsync("x");
        LogRecord record = await log.WaitAsync(record => record.Text.Contains("slow", StringComparison.Ordinal) && record.Text.Contains("loop", StringComparison.Ordinal) && record.Level == Microsoft.Extensions.Logging.LogLevel.Warning);
        release.Set();
        Assert.DoesNotContain("quick", record.Text, StringComparison.Ordinal);
        Assert.Single(log.Records, other => other.Id == record.Id);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_server_belongs_to_one_group_and_is_new_then()
    {
        var server = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync);
        await using var group = new ServerGroup(server);
        Assert.Contains("belongs to a group", Assert.Throws<InvalidOperationException>(() => new ServerGroup(server)).Message, StringComparison.Ordinal);
        await using var bound = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync);
        bound.Bind();
        Assert.Contains("is bound", Assert.Throws<InvalidOperationException>(() => new ServerGroup(bound)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new ServerGroup());
    }

    /// <summary>Fails to accept, once it is told to.</summary>
    private sealed class FailingServer(ServerAddress address, Concurrency concurrency) : TcpServer(address, LineEcho.ServeAsync, concurrency)
    {
        internal volatile bool Fails;

        protected override Connection? GetRequest() => Fails ? throw new SystemCallException("accept4", Errno.Fault) : base.GetRequest();
    }
}
