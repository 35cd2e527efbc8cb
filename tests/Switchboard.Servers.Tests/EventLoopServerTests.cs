using Microsoft.Extensions.Logging;
using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

/// <summary>What is special about a server on event loops: what it refuses, how it idles and how it ends.</summary>
[Collection(nameof(Alone))]
public sealed class EventLoopServerTests
{
    private const int Limit = 120_000;

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.OnLoops), MemberType = typeof(Models))]
    public async Task A_blocking_handler_is_refused_with_what_to_choose_instead_and_nothing_stays_open(Model model)
    {
        string[] before = Descriptors.OfKernel();
        for (int attempt = 0; attempt < 20; attempt++)
        {
            foreach (Func<object> make in (Func<object>[])[
                () => new TcpServer("127.0.0.1:0", (Func<BlockingRequestHandler>)(() => new Blocking()), model.Make()),
                () => new TcpServer<Blocking>("127.0.0.1:0", model.Make()),
                () => new UnixStreamServer<Blocking>("unix:@refused", model.Make())])
            {
                var refused = Assert.Throws<ArgumentException>("concurrency", make);
                Assert.Contains("would block the event loop", refused.Message, StringComparison.Ordinal);
                Assert.Contains("Choose Concurrency.Threads", refused.Message, StringComparison.Ordinal);
            }
        }
        Assert.Empty(Descriptors.OfKernel().Except(before));
        // The same handler is welcome where it may block.
        await using var server = new TcpServer<Blocking>("127.0.0.1:0", Concurrency.Threads());
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        Assert.Equal("served", await caller.ReadTextToEndAsync());
    }

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.OnLoops), MemberType = typeof(Models))]
    public async Task A_server_with_callers_who_say_nothing_takes_no_processor_time(Model model)
    {
        const string name = "idle-loops";
        await using var server = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, model.Make(), new ServerOptions { Name = name });
        await server.StartAsync().InTime();
        Caller[] callers = await LineEcho.ConnectAllAsync(server, 50);
        await Task.WhenAll(callers.Select(caller => caller.SayAsync("hello")));
        TimeSpan time = TimeSpan.FromSeconds(1);
        TimeSpan before = LoopThreads.ProcessorTime(name);
        Assert.True(before > TimeSpan.Zero, "The loops are not among the threads that are looked at.");
        // Nothing must happen in this time.
        await Task.Delay(time);
        Assert.InRange(LoopThreads.ProcessorTime(name) - before, TimeSpan.Zero, time / 100);
        LineEcho.DisposeAll(callers);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true, 3)]
    [InlineData(false, 1)]
    public async Task With_port_reuse_each_loop_has_a_listener_of_its_own(bool portReuse, int listeners)
    {
        var loops = new System.Collections.Concurrent.ConcurrentDictionary<int, int>();
        var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            loops.AddOrUpdate(Environment.CurrentManagedThreadId, 1, (_, count) => count + 1);
            await LineEcho.ServeAsync(connection, stop);
        }, Concurrency.EventLoop(3), new ServerOptions { Socket = new() { ReusePort = portReuse } });
        await using (server)
        {
            await server.StartAsync().InTime();
            Assert.Equal(listeners, CountListeners(server));
            // The kernel deals at random: that one of three gets nothing of so many does not happen.
            Caller[] callers = await LineEcho.ConnectAllAsync(server, 120);
            await Task.WhenAll(callers.Select(caller => caller.SayAsync("hello")));
            LineEcho.DisposeAll(callers);
        }
        Assert.Equal(120, loops.Values.Sum());
        Assert.Equal(3, loops.Count);
        Assert.Equal(0, CountListeners(server));
    }

    private static int CountListeners(SocketServer server)
    {
        string port = $":{((System.Net.IPEndPoint)server.LocalEndPoint!).Port:X4} ";
        // The second word is the own address, the fourth the state: 0A is LISTEN.
        return File.ReadLines("/proc/net/tcp").Count(line => line.Contains($"{port}00000000:0000 0A", StringComparison.Ordinal));
    }

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.OnLoops), MemberType = typeof(Models))]
    public async Task A_stop_with_many_calls_in_flight_ends_each_with_its_reason_and_leaves_nothing(Model model)
    {
        const int kinds = 5;
        int each = Scale.Of(40);
        byte[] much = Sizes.Pattern(1024 * 1024);
        // Once, for what the runtime opens and keeps.
        await using (var first = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, model.Make()))
        {
            await first.StartAsync().InTime();
            LineEcho.DisposeAll(await LineEcho.ConnectAllAsync(first, 1));
        }
        string[] before = Descriptors.OfKernel();
        int inFlight = 0;
        int left = 0;
        var ends = new EndRecorder();
        var log = new RecordingLog();
        var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            try
            {
                string kind = System.Text.Encoding.UTF8.GetString((await connection.ReadMessageAsync(Framing.Line, stop) ?? default).Span);
                // In flight from its first wait on.
                Task wait = kind switch
                {
                    "reads" => connection.ReadAsync(new byte[1], stop).AsTask(),
                    "reads on" => connection.ReadAsync(new byte[1]).AsTask(),
                    "writes" => WriteAsync(connection),
                    "waits" => Task.Delay(Timeout.Infinite, stop),
                    _ => Task.Run(async () => await connection.ReadAsync(new byte[1], stop)),
                };
                Interlocked.Increment(ref inFlight);
                await wait;
            }
            finally
            {
                Interlocked.Increment(ref left);
            }
        }, model.Make(), new ServerOptions { LoggerFactory = log });
        async Task WriteAsync(Connection connection)
        {
            // Thousands of full buffers would need more memory than the kernel gives.
            Linux.SocketCalls.SetOption(((StreamTransport)connection.Transport).Descriptor, Linux.SocketCallOption.SendBuffer, 1);
            await connection.WriteAsync(much, connection.Stopping);
        }
        server.ConnectionEnded += ends.Add;
        await server.StartAsync().InTime();
        Caller[] callers = await LineEcho.ConnectAllAsync(server, kinds * each);
        string[] names = ["reads", "reads on", "writes", "waits", "elsewhere"];
        await Task.WhenAll(callers.Select((caller, number) => caller.SendAsync(names[number % kinds] + "\n")));
        await Deadline.UntilAsync(() => Volatile.Read(ref inFlight) == callers.Length, "all calls are in flight");
        Connection[] connections = [.. server.Connections];
        long started = Environment.TickCount64;

        await server.StopAsync(TimeSpan.FromSeconds(2)).InTime();
        TestContext.Current.TestOutputHelper?.WriteLine($"{model}: {callers.Length} calls ended within {Environment.TickCount64 - started} ms.");
        Assert.Equal((callers.Length, callers.Length), (left, connections.Length));
        Assert.Equal(new Dictionary<ConnectionEndReason, long> { [ConnectionEndReason.Stopped] = callers.Length }, server.Statistics.EndedBy);
        Assert.Equal(0, server.Statistics.Open);
        ConnectionEnd[] told = await Task.WhenAll(connections.Select(connection => connection.Closed)).InTime();
        Assert.All(told, end => Assert.Equal(ConnectionEndReason.Stopped, end.Reason));
        Assert.Equal(callers.Length, ends.More);
        // Those who looked at their token went by themselves; the others were ended after the grace.
        Assert.Contains($"ends {2 * each} calls", Assert.Single(log.Records, record => record.Level >= LogLevel.Warning).Text, StringComparison.Ordinal);
        await Task.WhenAll(callers.Select(caller => caller.WaitForEndAsync()));
        LineEcho.DisposeAll(callers);
        await Deadline.UntilAsync(() => !Descriptors.OfKernel().Except(before).Any(), "all descriptors are closed");
    }

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.OnLoops), MemberType = typeof(Models))]
    public async Task A_loop_that_is_blocked_for_ever_keeps_neither_the_stop_nor_the_socket_file(Model model)
    {
        TimeSpan unwind = TimeSpan.FromSeconds(2);
        TimeSpan grace = TimeSpan.FromMilliseconds(500);
        using var folder = new TemporaryFolder();
        using var release = new ManualResetEventSlim();
        var log = new RecordingLog();
        await using var server = new UnixStreamServer(folder.Address("blocked"), async (connection, stop) =>
        {
            if ((await connection.ReadMessageAsync(Framing.Line, stop))!.Value.Length > 0)
            {
                await LineEcho.ServeAsync(connection, stop);
                return;
            }
            Assert.True(connection.TrySend("."u8));
            Assert.True(release.Wait(Deadline.Time, CancellationToken.None));
        }, model.Make(), new ServerOptions { LoggerFactory = log });
        await server.StartAsync().InTime();
        string file = folder.File("blocked");
        Caller[] callers = await LineEcho.ConnectAllAsync(server, 6);
        foreach (Caller caller in callers)
        {
            await caller.SendAsync("talk\n");
            await caller.SayAsync("hello");
        }
        using Caller blocking = await Caller.ConnectAsync(server);
        await blocking.SendAsync("\n");
        await blocking.ExpectAsync(".");
        Assert.True(File.Exists(file));
        long started = Environment.TickCount64;
        await server.StopAsync(grace).InTime();
        TimeSpan took = TimeSpan.FromMilliseconds(Environment.TickCount64 - started);
        Assert.InRange(took, grace + unwind - TimeSpan.FromMilliseconds(50), grace + unwind + TimeSpan.FromSeconds(5));
        Assert.False(File.Exists(file));
        Assert.True(server.Completion.IsCompletedSuccessfully);
        Assert.Contains(log.Records, record => record.Id == 4 && record.Level == LogLevel.Error);
        await blocking.WaitForEndAsync();
        release.Set();
        LineEcho.DisposeAll(callers);
    }

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.OnLoops), MemberType = typeof(Models))]
    public async Task A_handler_may_stop_its_server_and_await_it_in_the_middle_of_its_work(Model model)
    {
        TcpServer? server = null;
        await using var used = server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            await connection.ReadAsync(new byte[1], stop).ConfigureAwait(false);
            await server!.StopAsync();
            Assert.False(server.Completion.IsCompleted, "The server has ended while its handler runs.");
            await connection.WriteAsync("stopped"u8.ToArray(), CancellationToken.None);
        }, model.Make());
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        using Caller other = await Caller.ConnectAsync(server);
        await caller.SendAsync("x");
        Assert.Equal("stopped", await caller.ReadTextToEndAsync());
        Assert.Empty(await other.ReadToEndAsync());
        await server.Completion.InTime();
    }

    [Theory(Timeout = Limit)]
    [InlineData(Model.OneLoop)]
    [InlineData(Model.ThreeLoops)]
    [InlineData(Model.Threads)]
    public async Task A_handler_that_has_left_its_loop_and_awaits_the_stop_is_waited_for_no_longer_than_any_other(Model model)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        TcpServer? server = null;
        await using var used = server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            await connection.ReadAsync(new byte[1], stop);
            // In any case: a task that has ended before it is awaited would leave the handler where it is.
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            Assert.Null(Polling.EventLoop.Current);
            await server!.StopAsync();
            stopped.SetResult();
        }, model.Make(), new ServerOptions { Grace = TimeSpan.FromMilliseconds(200), LoggerFactory = new RecordingLog() });
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        using Caller other = await Caller.ConnectAsync(server);
        await caller.SendAsync("x");
        await Task.WhenAll(caller.WaitForEndAsync(), other.WaitForEndAsync());
        await stopped.Task.InTime();
        await server.Completion.InTime();
    }

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.OnLoops), MemberType = typeof(Models))]
    public async Task Each_of_those_who_come_to_an_idle_server_is_served_whichever_loop_takes_them(Model model)
    {
        await using var server = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, model.Make());
        await server.StartAsync().InTime();
        for (int round = 0; round < 200; round++)
        {
            using Caller caller = await Caller.ConnectAsync(server);
            await caller.SayAsync($"{round}");
        }
    }

    public sealed class Blocking : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop) => Connection.Write("served"u8);
    }
}
