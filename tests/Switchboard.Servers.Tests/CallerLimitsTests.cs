using System.Net;
using Microsoft.Extensions.Logging;
using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

/// <summary>How many callers are taken, and what becomes of the others.</summary>
public sealed class CallerLimitsTests
{
    private static readonly TimeSpan _glance = TimeSpan.FromMilliseconds(100);

    public static TheoryData<Model> Models => [Model.Threads, Model.OneLoop, Model.ThreeLoops, Model.Tasks];

    public static TheoryData<Model> Every => [.. Enum.GetValues<Model>()];

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

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models))]
    public async Task Each_limit_is_told_by_itself_and_once(Model model)
    {
        var log = new RecordingLog();
        await using TcpServer server = await ServeAsync(model, new() { Connections = 2, ConnectionsPerAddress = 1, WhenFull = WhenFull.Refuse, LastWord = "busy\n"u8.ToArray() }, log);
        using Caller inside = await CallAsync(server);
        await inside.SayAsync("in");
        await RefusedTwiceAsync();
        using Caller elsewhere = await CallAsync(server, "127.0.0.2");
        await elsewhere.SayAsync("in");
        await RefusedTwiceAsync();
        Assert.Equal(["CallerLimits.ConnectionsPerAddress is 1, so callers are refused", "CallerLimits.Connections is 2, so callers are refused"],
            log.Records.Where(record => record.Id == 19).Select(record => $"{record.Fields.Single(field => field.Key == "What").Value}"));

        async Task RefusedTwiceAsync()
        {
            for (int i = 0; i < 2; i++)
            {
                using Caller outside = await CallAsync(server);
                Assert.Equal("busy\n", await outside.ReadTextToEndAsync());
            }
        }
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
        // The thread is free a little after its call has ended, and whoever comes in that moment waits for it.
        for (int i = 0; i < Scale.Of(200); i++)
        {
            using Caller next = await CallAsync(server);
            await next.SayAsync("next");
            next.CloseOutput();
            Assert.Equal("", await next.ReadTextToEndAsync());
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

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models))]
    public async Task Callers_that_come_too_fast_wait_in_the_backlog_and_are_all_served(Model model)
    {
        const int rate = 50;
        const int burst = 5;
        const int count = 20;
        var log = new RecordingLog();
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        await using TcpServer server = await ServeAsync(model, new() { AcceptsPerSecond = rate, AcceptBurst = burst }, log);
        Caller[] callers = await LineEcho.ConnectAllAsync(server, count);
        await Task.WhenAll(callers.Select(caller => caller.SayAsync("here")));
        TimeSpan time = System.Diagnostics.Stopwatch.GetElapsedTime(start);
        Assert.True(time >= TimeSpan.FromSeconds((double)(count - burst) / rate), $"{count} callers were served within {time}.");
        Assert.Equal(count, server.Statistics.Accepted);
        LineEcho.DisposeAll(callers);
        LogRecord told = await log.WaitAsync(record => record.Level == LogLevel.Warning);
        Assert.Contains($"CallerLimits.AcceptsPerSecond is {rate}", told.Text, StringComparison.Ordinal);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Every))]
    public async Task No_caller_is_served_before_its_turn(Model model)
    {
        const int rate = 100;
        const int burst = 3;
        const int count = 20;
        var served = new System.Collections.Concurrent.ConcurrentQueue<long>();
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        var options = new ServerOptions { Callers = new() { AcceptsPerSecond = rate, AcceptBurst = burst } };
        await using var server = new TcpServer("127.0.0.1:0", (_, _) =>
        {
            served.Enqueue(System.Diagnostics.Stopwatch.GetTimestamp());
            return Task.CompletedTask;
        }, model.Make(), options);
        await server.StartAsync().InTime();
        Caller[] callers = await LineEcho.ConnectAllAsync(server, count);
        await Task.WhenAll(callers.Select(caller => caller.WaitForEndAsync()));
        LineEcho.DisposeAll(callers);
        long[] times = [.. served.Order()];
        Assert.Equal(count, times.Length);
        for (int i = burst; i < count; i++)
        {
            TimeSpan time = System.Diagnostics.Stopwatch.GetElapsedTime(start, times[i]);
            Assert.True(time >= TimeSpan.FromSeconds((double)(i + 1 - burst) / rate), $"Caller {i + 1} was served after {time}.");
        }
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Every))]
    public async Task Datagrams_that_come_too_fast_wait_in_the_socket_and_are_all_answered(Model model)
    {
        const int rate = 100;
        const int burst = 3;
        const int count = 20;
        var options = new ServerOptions { Callers = new() { AcceptsPerSecond = rate, AcceptBurst = burst } };
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        await using var server = new UdpServer("127.0.0.1:0", (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask(), model.Make(), options);
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        for (int i = 0; i < count; i++)
        {
            await caller.SendAsync($"{i}");
        }
        for (int i = 0; i < count; i++)
        {
            await caller.ReceiveAsync();
        }
        TimeSpan time = System.Diagnostics.Stopwatch.GetElapsedTime(start);
        Assert.True(time >= TimeSpan.FromSeconds((double)(count - burst) / rate), $"{count} datagrams were answered within {time}.");
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Requests_that_are_served_one_by_one_come_at_the_rate_too()
    {
        const int rate = 50;
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        await using var server = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, Concurrency.Sequential(), new ServerOptions { Callers = new() { AcceptsPerSecond = rate, AcceptBurst = 1 } });
        server.Activate();
        for (int i = 0; i < 4; i++)
        {
            Task<bool> served = server.HandleRequestAsync();
            using (Caller caller = await CallAsync(server))
            {
                await caller.SayAsync("here");
            }
            Assert.True(await served.InTime());
        }
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(start) >= TimeSpan.FromSeconds(3.0 / rate));
    }

    [Fact]
    public void A_rate_gives_its_burst_then_one_turn_at_a_time()
    {
        var clock = new HandClock();
        var rate = new AcceptRate(perSecond: 10, burst: 3, clock);
        for (int i = 0; i < 3; i++)
        {
            Assert.True(rate.TryTake(out _));
        }
        Assert.False(rate.TryTake(out TimeSpan wait));
        Assert.Equal(TimeSpan.FromMilliseconds(100), wait);
        rate.GiveBack();
        Assert.True(rate.TryTake(out _));
        clock.Now += TimeSpan.FromMilliseconds(99);
        Assert.False(rate.TryTake(out wait));
        Assert.Equal(TimeSpan.FromMilliseconds(1), wait);
        clock.Now += wait;
        Assert.True(rate.TryTake(out _));
        Assert.False(rate.TryTake(out _));
        clock.Now += TimeSpan.FromHours(1);
        for (int i = 0; i < 3; i++)
        {
            Assert.True(rate.TryTake(out _));
        }
        Assert.False(rate.TryTake(out _));
    }

    [Theory]
    [InlineData(64, "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true)]
    [InlineData(64, "2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    [InlineData(60, "2001:db8:1:2::1", "2001:db8:1:f::1", true)]
    [InlineData(60, "2001:db8:1:2::1", "2001:db8:1:12::1", false)]
    [InlineData(128, "2001:db8::1", "2001:db8::1", true)]
    [InlineData(128, "2001:db8::1", "2001:db8::2", false)]
    [InlineData(64, "::ffff:10.0.0.1", "10.0.0.1", true)]
    [InlineData(64, "::ffff:10.0.0.1", "::ffff:10.0.0.2", false)]
    public void An_IPv6_caller_is_counted_by_its_network(int prefix, string first, string second, bool together)
    {
        var admission = new Admission(new CallerLimits { ConnectionsPerAddress = 1, IPv6Prefix = prefix });
        Assert.True(admission.TryEnter(new IPEndPoint(IPAddress.Parse(first), 1), out IPAddress? counted));
        Assert.Equal(!together, admission.TryEnter(new IPEndPoint(IPAddress.Parse(second), 1), out _));
        admission.Leave(counted!);
        Assert.True(admission.TryEnter(new IPEndPoint(IPAddress.Parse(first), 1), out _));
    }

    [Fact]
    public void The_number_of_connections_is_finite_unless_it_was_asked_to_be_otherwise()
    {
        Assert.Equal(16_384, new ServerOptions().Callers.Connections);
        Assert.Equal(16_384, new CallerLimits { ConnectionsPerAddress = 2 }.Connections);
        Assert.Null(CallerLimits.None.Connections);
    }

    private sealed class HandClock : TimeProvider
    {
        internal TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
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
