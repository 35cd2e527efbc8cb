using Microsoft.Extensions.Logging;

namespace Switchboard.Servers.Tests;

/// <summary>What a server measures, for whoever listens.</summary>
public sealed class MetricsTests
{
    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Connections_bytes_and_ends_are_told_to_those_who_listen(Model model)
    {
        string name = $"metrics {Guid.NewGuid()}";
        using var measured = new Measurements(name);
        await using (TcpServer server = Make(model, name))
        {
            Assert.Null(measured.Observe("switchboard.connections.open"));
            await server.StartAsync().InTime();
            using (Caller caller = await Caller.ConnectAsync(server))
            {
                await caller.SayAsync("1234567");
                Assert.Equal(1, measured.Observe("switchboard.connections.open"));
                Assert.Equal(8, measured.Observe("switchboard.received"));
                // The caller may have it a moment before the server has counted it.
                await Deadline.UntilAsync(() => measured.Observe("switchboard.sent") == 8, "what was sent is counted");
                caller.CloseOutput();
                await caller.ReadToEndAsync();
            }
            await Deadline.UntilAsync(() => server.Statistics.Open == 0, "the caller leaves");
            using (Caller caller = await Caller.ConnectAsync(server))
            {
                await caller.SayAsync("1");
                Assert.Equal(10, measured.Observe("switchboard.received"));
                await Deadline.UntilAsync(() => measured.Observe("switchboard.sent") == 10, "what was sent is counted");
            }
            await Deadline.UntilAsync(() => server.Statistics.Open == 0, "the caller leaves");
            Assert.Equal(0, measured.Observe("switchboard.connections.open"));
            Assert.Equal(2, measured.Observe("switchboard.connections.accepted"));
            Assert.Equal(0, measured.Observe("switchboard.connections.refused"));
            Assert.Equal(2, measured.Observe("switchboard.connections.ended", ConnectionEndReason.PeerClosed));
            Assert.Equal(0, measured.Observe("switchboard.accept.pauses"));
            Assert.Equal(model == Model.ThreeLoops ? 3 : 1, measured.Observe("switchboard.loops"));
            Assert.Null(measured.Observe("switchboard.datagrams.received"));
            (string, double Value, Dictionary<string, object?> Tags)[] calls = measured.Of("switchboard.call.duration", ConnectionEndReason.PeerClosed);
            Assert.Equal(2, calls.Length);
            Assert.All(calls, call =>
            {
                Assert.InRange(call.Value, double.Epsilon, Deadline.Time.TotalSeconds);
                Assert.Equal($"{server.LocalEndPoint}", call.Tags["switchboard.endpoint"]);
                Assert.Equal($"{server.Concurrency}", call.Tags["switchboard.model"]);
            });
            await Deadline.UntilAsync(() => measured.Of("switchboard.loop.delay").Length > 0, "a loop is asked");
            await server.StopAsync().InTime();
        }
        await Deadline.UntilAsync(() => measured.Observe("switchboard.connections.open") is null, "the server is forgotten");
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Callers_who_are_refused_are_counted()
    {
        string name = $"metrics {Guid.NewGuid()}";
        using var measured = new Measurements(name);
        await using TcpServer server = Make(Model.OneLoop, name, new() { Connections = 1, WhenFull = WhenFull.Refuse });
        await server.StartAsync().InTime();
        using Caller inside = await Caller.ConnectAsync(server);
        await inside.SayAsync("in");
        using (Caller outside = await Caller.ConnectAsync(server))
        {
            await outside.WaitForEndAsync();
        }
        await Deadline.UntilAsync(() => measured.Observe("switchboard.connections.refused") == 1, "it is counted");
        Assert.Equal(2, measured.Observe("switchboard.connections.accepted"));
        Assert.Equal(1, measured.Observe("switchboard.connections.open"));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Callers_who_wait_in_the_backlog_are_counted(Model model)
    {
        string name = $"metrics {Guid.NewGuid()}";
        using var measured = new Measurements(name);
        await using TcpServer server = Make(model, name, new() { Connections = 1 });
        await server.StartAsync().InTime();
        Assert.Equal(0, measured.Observe("switchboard.connections.waiting"));
        using Caller inside = await Caller.ConnectAsync(server);
        await inside.SayAsync("in");
        using Caller second = await Caller.ConnectAsync(server);
        using Caller third = await Caller.ConnectAsync(server);
        await Deadline.UntilAsync(() => measured.Observe("switchboard.connections.waiting") == 2, "both wait");
        inside.CloseOutput();
        await second.SayAsync("now");
        Assert.Equal(1, measured.Observe("switchboard.connections.waiting"));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Datagrams_are_counted()
    {
        string name = $"metrics {Guid.NewGuid()}";
        using var measured = new Measurements(name);
        await using var server = new UdpServer("127.0.0.1:0", async (datagram, stop) => await datagram.ReplyAsync(datagram.Data, stop), options: new ServerOptions { Name = name });
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        await caller.SendAsync("hello");
        Assert.Equal("hello", await caller.ReceiveAsync());
        Assert.Equal(1, measured.Observe("switchboard.datagrams.received"));
        Assert.Equal(0, measured.Observe("switchboard.datagrams.dropped"));
        Assert.Null(measured.Observe("switchboard.connections.open"));
        Assert.Null(measured.Observe("switchboard.connections.waiting"));
        Assert.Null(measured.Observe("switchboard.sessions.open"));
        await Deadline.UntilAsync(() => measured.Of("switchboard.call.duration").Length == 1, "the call has ended");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task Sessions_are_told_open_started_and_ended_by_reason(Model model)
    {
        string name = $"metrics {Guid.NewGuid()}";
        using var measured = new Measurements(name);
        await using var server = new UdpSessionServer("127.0.0.1:0", Sessions.CountAsync, model.Make(), new ServerOptions { Name = name });
        await server.StartAsync().InTime();
        Assert.Equal(0, measured.Observe("switchboard.sessions.open"));
        using var first = new DatagramCaller(server);
        using var second = new DatagramCaller(server);
        Assert.Equal("1 1 a", await Sessions.AskAsync(first, "a"));
        Assert.Equal("1 2 b", await Sessions.AskAsync(first, "b"));
        Assert.Equal("2 1 c", await Sessions.AskAsync(second, "c"));
        Assert.Equal(2, measured.Observe("switchboard.sessions.open"));
        Assert.Equal(2, measured.Observe("switchboard.sessions.started"));
        Assert.Equal(3, measured.Observe("switchboard.datagrams.received"));
        Assert.Null(measured.Observe("switchboard.sessions.ended"));
        server.Sessions.First(session => session.Id == 1).End();
        await Deadline.UntilAsync(() => measured.Observe("switchboard.sessions.open") == 1, "it has ended");
        Assert.Equal(2, measured.Observe("switchboard.sessions.started"));
        Assert.Equal(1, measured.Observe("switchboard.sessions.ended", ConnectionEndReason.Aborted));
        Assert.Null(measured.Observe("switchboard.connections.open"));
        Assert.Null(measured.Observe("switchboard.connections.ended"));
        await Deadline.UntilAsync(() => measured.Of("switchboard.call.duration", ConnectionEndReason.Aborted).Length == 1, "its time is told");
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Bytes_never_go_back_however_connections_come_and_go()
    {
        string name = $"metrics {Guid.NewGuid()}";
        using var measured = new Measurements(name);
        await using TcpServer server = Make(Model.ThreeLoops, name);
        await server.StartAsync().InTime();
        const int count = 200;
        Task calls = Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (_, _) =>
        {
            using Caller caller = await Caller.ConnectAsync(server);
            await caller.SayAsync("123456789");
        });
        double last = 0;
        while (!calls.IsCompleted)
        {
            double now = measured.Observe("switchboard.received") ?? 0;
            Assert.True(now >= last, $"{now} bytes after {last}.");
            last = now;
            await Task.Yield();
        }
        await calls;
        await Deadline.UntilAsync(() => measured.Observe("switchboard.received") == 10 * count, "all is counted");
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Every_log_line_about_a_connection_has_its_number_as_a_field()
    {
        await using var calls = new WatchedCalls((_, _) => throw new NotSupportedException("No."));
        using Caller caller = await calls.CallAsync();
        await caller.WaitForEndAsync();
        (Connection connection, _) = await calls.Ends.NextAsync();
        LogRecord[] records = [.. calls.Log.Records.Where(record => record.Id is 5 or 7 or 8)];
        Assert.Equal(3, records.Length);
        Assert.All(records, record =>
        {
            Assert.Contains(new KeyValuePair<string, object?>("Id", connection.Id), record.Fields);
            Assert.Contains($"connection {connection.Id} of {caller.LocalAddress}", record.Text, StringComparison.Ordinal);
        });
        Assert.Equal(LogLevel.Error, Assert.Single(records, record => record.Id == 5).Level);
    }

    private static TcpServer Make(Model model, string name, CallerLimits? callers = null) =>
        new("127.0.0.1:0", LineEcho.ServeAsync, model.Make(), new ServerOptions { Name = name, Callers = callers ?? CallerLimits.Default });
}
