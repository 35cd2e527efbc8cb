using static Switchboard.Servers.Tests.Sessions;

namespace Switchboard.Servers.Tests;

/// <summary>What peers can make a server of sessions keep is bounded, and each bound is told by its name.</summary>
public sealed class DatagramSessionLimitTests
{
    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task Beyond_the_limit_datagrams_of_new_peers_are_dropped_and_told(Model model)
    {
        var log = new RecordingLog();
        await using UdpSessionServer server = Serve(model, ReturnAtByeAsync, new DatagramSessionOptions { Sessions = 2 }, log);
        await server.StartAsync().InTime();
        using var first = new DatagramCaller(server);
        using var second = new DatagramCaller(server);
        using var third = new DatagramCaller(server);
        Assert.Equal("1 a", await AskAsync(first, "a"));
        Assert.Equal("2 b", await AskAsync(second, "b"));
        await third.SendAsync("c");
        await third.SendAsync("d");
        await Deadline.UntilAsync(() => server.Statistics.Dropped == 2, "both were dropped");
        Assert.Contains("DatagramSessionOptions.Sessions is 2", (await log.WaitAsync(record => record.Id == 19)).Text, StringComparison.Ordinal);
        Assert.Equal("1 e", await AskAsync(first, "e"));
        Assert.Equal("2 bye", await AskAsync(second, "bye"));
        await Deadline.UntilAsync(() => server.Statistics.Open == 1, "the second ended");
        Assert.Equal("3 f", await AskAsync(third, "f"));
        Assert.Single(log.Records, record => record.Id == 19);
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_full_queue_drops_the_newest_and_counts_it(Model model)
    {
        var log = new RecordingLog();
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using UdpSessionServer server = Serve(model, async (session, stop) =>
        {
            await go.Task;
            await CountAsync(session, stop);
        }, new DatagramSessionOptions { Queue = 3 }, log);
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        for (int i = 1; i <= 8; i++)
        {
            await caller.SendAsync($"d{i}");
        }
        await Deadline.UntilAsync(() => server.Statistics.Dropped == 5, "five found the queue full");
        Assert.Contains("DatagramSessionOptions.Queue is 3", (await log.WaitAsync(record => record.Id == 19)).Text, StringComparison.Ordinal);
        DatagramSession session = Assert.Single(server.Sessions);
        Assert.Equal((8, 5), (session.Received, session.Dropped));
        go.SetResult();
        for (int i = 1; i <= 3; i++)
        {
            Assert.Equal($"1 {i} d{i}", await caller.ReceiveAsync());
        }
        Assert.Equal("1 4 on", await AskAsync(caller, "on"));
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task What_a_handler_leaves_in_the_queue_is_counted_as_dropped(Model model)
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using UdpSessionServer server = Serve(model, (_, _) => go.Task);
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        await caller.SendAsync("a");
        await caller.SendAsync("b");
        await Deadline.UntilAsync(() => server.Sessions.FirstOrDefault() is { Received: 2 }, "both came");
        go.SetResult();
        await EndedAsync(server, ConnectionEndReason.HandlerReturned);
        Assert.Equal(2, server.Statistics.Dropped);
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task An_address_has_no_more_sessions_than_it_may(Model model)
    {
        var log = new RecordingLog();
        await using UdpSessionServer server = Serve(model, ReturnAtByeAsync, new DatagramSessionOptions { SessionsPerAddress = 2 }, log);
        await server.StartAsync().InTime();
        using var first = new DatagramCaller(server);
        using var second = new DatagramCaller(server);
        using var third = new DatagramCaller(server);
        using var elsewhere = new DatagramCaller(server, from: "127.0.0.2");
        Assert.Equal("1 a", await AskAsync(first, "a"));
        Assert.Equal("2 b", await AskAsync(second, "b"));
        await third.SendAsync("c");
        Assert.Equal("3 d", await AskAsync(elsewhere, "d"));
        Assert.Equal(1, server.Statistics.Dropped);
        Assert.Contains("DatagramSessionOptions.SessionsPerAddress is 2", (await log.WaitAsync(record => record.Id == 19)).Text, StringComparison.Ordinal);
        Assert.Equal("1 bye", await AskAsync(first, "bye"));
        await Deadline.UntilAsync(() => server.Statistics.Open == 2, "the first ended");
        Assert.Equal("4 e", await AskAsync(third, "e"));
        await first.SendAsync("f");
        await Deadline.UntilAsync(() => server.Statistics.Dropped == 2, "the address has two again");
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task Each_limit_is_told_by_itself_and_once(Model model)
    {
        var log = new RecordingLog();
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using UdpSessionServer server = Serve(model, (_, _) => go.Task, new DatagramSessionOptions { Sessions = 3, SessionsPerAddress = 2, Queue = 1 }, log);
        await server.StartAsync().InTime();
        DatagramCaller[] callers = [.. Enumerable.Range(0, 3).Select(_ => new DatagramCaller(server)), new(server, from: "127.0.0.2"), new(server, from: "127.0.0.2")];
        foreach (DatagramCaller caller in callers)
        {
            // The first two and the fourth have sessions, whose queues the first datagram fills.
            await caller.SendAsync("a");
            await caller.SendAsync("b");
            await caller.SendAsync("c");
        }
        await Deadline.UntilAsync(() => server.Statistics.Dropped == 12, "all but three are dropped");
        string[] told = [.. log.Records.Where(record => record.Id == 19).Select(record => record.Text)];
        Assert.Equal(3, told.Length);
        Assert.Single(told, text => text.Contains("DatagramSessionOptions.Sessions is 3", StringComparison.Ordinal));
        Assert.Single(told, text => text.Contains("DatagramSessionOptions.SessionsPerAddress is 2", StringComparison.Ordinal));
        Assert.Single(told, text => text.Contains("DatagramSessionOptions.Queue is 1", StringComparison.Ordinal) && text.Contains("session 1 of", StringComparison.Ordinal));
        go.SetResult();
        Array.ForEach(callers, static caller => caller.Dispose());
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task An_end_is_logged_with_its_limit_and_counts(Model model)
    {
        var log = new RecordingLog();
        await using UdpSessionServer server = Serve(model, CountAsync, new DatagramSessionOptions { Idle = TimeSpan.FromMilliseconds(50) }, log);
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        Assert.Equal("1 1 a", await AskAsync(caller, "a"));
        LogRecord ended = await log.WaitAsync(record => record.Id == 61);
        Assert.Contains($"session 1 of {caller.LocalEndPoint} ended, Idle (DatagramSessionOptions.Idle is 00:00:00.0500000)", ended.Text, StringComparison.Ordinal);
        Assert.Contains("1 datagrams received, 0 of them dropped", ended.Text, StringComparison.Ordinal);
        Assert.Contains(new KeyValuePair<string, object?>("Id", 1L), ended.Fields);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(WhenFull.Wait)]
    [InlineData(WhenFull.Refuse)]
    public async Task Threads_that_are_about_to_be_free_lose_no_session(WhenFull whenFull)
    {
        await using var server = new UdpSessionServer("127.0.0.1:0", async (session, stop) =>
        {
            await session.ReceiveAsync(stop);
            await SayAsync(session, "once");
        }, Concurrency.Threads(2, whenFull), new ServerOptions { Sessions = new() { Sessions = 1 } });
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        for (int i = 1; i <= 300; i++)
        {
            Assert.Equal("once", await AskAsync(caller, "x"));
            await EndedAsync(server, ConnectionEndReason.HandlerReturned, i);
        }
    }

    [Fact]
    public void What_can_t_have_sessions_is_refused_with_what_to_choose()
    {
        Assert.Contains("Choose Concurrency.EventLoop", Refused(Concurrency.Sequential()), StringComparison.Ordinal);
        Assert.Contains("DatagramSessionOptions.Sessions is 1024", Refused(Concurrency.Threads(1024)), StringComparison.Ordinal);
        Assert.Contains("CallerLimits.AcceptsPerSecond is 5", Refused(Concurrency.EventLoop(), new ServerOptions { Callers = new() { AcceptsPerSecond = 5 } }), StringComparison.Ordinal);
        Assert.Contains("UdpSessionServer can't listen", Assert.Throws<ArgumentException>(() => new UdpSessionServer("unix:/x", CountAsync)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramSessionOptions { Sessions = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramSessionOptions { SessionsPerAddress = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramSessionOptions { Queue = 0 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramSessionOptions { Idle = TimeSpan.Zero });

        static string Refused(Concurrency concurrency, ServerOptions? options = null) =>
            Assert.Throws<ArgumentException>(() => new UdpSessionServer("127.0.0.1:0", CountAsync, concurrency, options)).Message;
    }

    private static async Task ReturnAtByeAsync(DatagramSession session, CancellationToken stop)
    {
        await foreach (Datagram datagram in session.ReceiveAllAsync(stop))
        {
            await SayAsync(session, $"{session.Id} {Text(datagram)}");
            if (Text(datagram) == "bye")
            {
                return;
            }
        }
    }
}
