using System.Net;
using Microsoft.Extensions.Logging;
using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

/// <summary>How many callers are taken, and what becomes of the others.</summary>
public sealed class CallerLimitsTests
{
    private static readonly TimeSpan _glance = TimeSpan.FromMilliseconds(100);

    public static TheoryData<Model> Models => [Model.Threads, Model.OneLoop, Model.ThreeLoops, Model.Tasks];

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models))]
    public async Task Callers_beyond_the_limit_wait_in_the_backlog_and_come_in_one_by_one(Model model)
    {
        var log = new RecordingLog();
        await using TcpServer server = await ServeAsync(model, new() { Connections = 2 }, log);
        var inside = new Queue<Caller>();
        var outside = new Queue<Caller>();
        for (int i = 0; i < 2; i++)
        {
            inside.Enqueue(await CallAsync(server));
            await inside.Last().SayAsync("in");
        }
        for (int i = 0; i < 3; i++)
        {
            outside.Enqueue(await CallAsync(server));
            await outside.Last().SendAsync("out\n");
        }
        LogRecord told = await log.WaitAsync(record => record.Level == LogLevel.Warning);
        Assert.Contains("CallerLimits.Connections is 2", told.Text, StringComparison.Ordinal);
        // Nothing must come in this time.
        await Task.Delay(_glance);
        Assert.All(outside, caller => Assert.Equal(0, caller.Socket.Available));
        while (outside.TryDequeue(out Caller? next))
        {
            inside.Dequeue().Dispose();
            await next.ExpectAsync("out\n");
            inside.Enqueue(next);
        }
        LineEcho.DisposeAll(inside);
        Assert.Single(log.Records, record => record.Level == LogLevel.Warning);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models))]
    public async Task Callers_beyond_the_limit_are_refused_with_a_last_word_if_so_wanted(Model model)
    {
        var log = new RecordingLog();
        await using TcpServer server = await ServeAsync(model, new() { Connections = 1, WhenFull = WhenFull.Refuse, LastWord = "busy\n"u8.ToArray() }, log);
        for (int round = 0; round < 3; round++)
        {
            using (Caller inside = await CallAsync(server))
            {
                await inside.SayAsync("in");
                for (int i = 0; i < 3; i++)
                {
                    using Caller outside = await CallAsync(server);
                    Assert.Equal("busy\n", await outside.ReadTextToEndAsync());
                }
                await inside.SayAsync("still in");
            }
            await Deadline.UntilAsync(() => server.Statistics.Open == 0, "the caller leaves");
        }
        Assert.Equal(9, server.Statistics.EndedBy[ConnectionEndReason.Limit]);
        LogRecord told = await log.WaitAsync(record => record.Level == LogLevel.Warning);
        Assert.Contains("CallerLimits.Connections is 1, so callers are refused", told.Text, StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Who_is_refused_by_the_model_gets_the_last_word_and_takes_no_place()
    {
        var options = new ServerOptions { Callers = new() { Connections = 3, ConnectionsPerAddress = 3, LastWord = "busy\n"u8.ToArray() } };
        await using var server = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, Concurrency.Threads(1, WhenFull.Refuse), options);
        await server.StartAsync().InTime();
        using (Caller inside = await CallAsync(server))
        {
            await inside.SayAsync("in");
            // More than there are places.
            for (int i = 0; i < 7; i++)
            {
                using Caller outside = await CallAsync(server);
                Assert.Equal("busy\n", await outside.ReadTextToEndAsync());
            }
        }
        await Deadline.UntilAsync(() => server.Statistics.Open == 0, "the caller leaves");
        // The thread is free a little after its call has ended.
        while (!await IsServedAsync(server))
        {
        }
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models))]
    public async Task One_address_can_not_take_the_places_of_the_others(Model model)
    {
        var log = new RecordingLog();
        await using TcpServer server = await ServeAsync(model, new() { ConnectionsPerAddress = 2 }, log);
        for (int round = 0; round < 3; round++)
        {
            using Caller first = await CallAsync(server);
            await first.SayAsync("first");
            using Caller second = await CallAsync(server);
            await second.SayAsync("second");
            using Caller third = await CallAsync(server);
            Assert.Equal("", await third.ReadTextToEndAsync());
            using Caller other = await CallAsync(server, "127.0.0.2");
            await other.SayAsync("another address");
            first.Dispose();
            second.Dispose();
            other.Dispose();
            await Deadline.UntilAsync(() => server.Statistics.Open == 0, "all leave");
        }
        LogRecord told = await log.WaitAsync(record => record.Level == LogLevel.Warning);
        Assert.Contains("CallerLimits.ConnectionsPerAddress is 2", told.Text, StringComparison.Ordinal);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models))]
    public async Task A_crowd_is_served_to_the_last_and_never_more_at_once_than_the_limit(Model model)
    {
        const int limit = 7;
        int count = Scale.Of(200);
        int now = 0;
        int most = 0;
        await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            int open = Interlocked.Increment(ref now);
            int seen;
            while (open > (seen = Volatile.Read(ref most)) && Interlocked.CompareExchange(ref most, open, seen) != seen)
            {
            }
            await connection.WriteAsync(await connection.ReadMessageAsync(Framing.Packet, stop) ?? default, stop);
            Interlocked.Decrement(ref now);
        }, model.Make(), new ServerOptions { Callers = new() { Connections = limit } });
        await server.StartAsync().InTime();
        await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = 40 }, async (i, _) =>
        {
            using Caller caller = await CallAsync(server);
            await caller.SendAsync("x");
            Assert.Equal("x", await caller.ReadTextToEndAsync());
        }).InTime();
        Assert.InRange(most, 1, limit);
        Assert.Equal(count, server.Statistics.Accepted);
    }

    [Fact]
    public void A_limit_that_lets_nobody_in_is_refused()
    {
        Assert.Contains("1 or more", Assert.Throws<ArgumentOutOfRangeException>(() => new CallerLimits { Connections = 0 }).Message, StringComparison.Ordinal);
        Assert.Contains("1 or more", Assert.Throws<ArgumentOutOfRangeException>(() => new CallerLimits { ConnectionsPerAddress = -1 }).Message, StringComparison.Ordinal);
    }

    private static async Task<bool> IsServedAsync(TcpServer server)
    {
        using Caller caller = await CallAsync(server);
        try
        {
            await caller.SendAsync("next\n");
            return await caller.ReadTextToEndAsync(5) == "next\n";
        }
        catch (System.Net.Sockets.SocketException)
        {
            // Refused with the line unread, which is a reset.
            return false;
        }
    }

    private static async Task<TcpServer> ServeAsync(Model model, CallerLimits limits, RecordingLog log)
    {
        var server = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, model.Make(), new ServerOptions { Callers = limits, LoggerFactory = log });
        await server.StartAsync().InTime();
        return server;
    }

    private static Task<Caller> CallAsync(TcpServer server, string from = "127.0.0.1") =>
        Caller.ConnectAsync(server.LocalEndPoint!, from: new IPEndPoint(IPAddress.Parse(from), 0));
}
