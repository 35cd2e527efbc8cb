using System.Collections.Concurrent;

namespace Switchboard.Servers.Tests;

/// <summary>Threads of calls: how many, what becomes of callers beyond that, and whether they keep the program alive.</summary>
public sealed class ThreadsLimitTests
{
    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Callers_beyond_the_limit_wait_in_the_backlog_and_are_all_served()
    {
        const int limit = 3;
        int running = 0;
        var seen = new ConcurrentBag<int>();
        var full = new CountdownEvent(limit);
        await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            seen.Add(Interlocked.Increment(ref running));
            if (!full.IsSet)
            {
                full.Signal();
            }
            await connection.ReadMessageAsync(Framing.Line, stop);
            await connection.WriteAsync("served"u8.ToArray(), stop);
            Interlocked.Decrement(ref running);
        }, Concurrency.Threads(limit));
        await server.StartAsync().InTime();
        var callers = new List<Caller>();
        for (int call = 0; call < 10; call++)
        {
            callers.Add(await Caller.ConnectAsync(server));
        }
        await Task.Run(() => Assert.True(full.Wait(Deadline.Time)));
        Assert.Equal((limit, limit), (server.Statistics.Accepted, server.Statistics.Open));
        foreach (Caller caller in callers)
        {
            await caller.SendAsync("go\n");
            Assert.Equal("served", await caller.ReadTextToEndAsync());
            caller.Dispose();
        }
        Assert.Equal(limit, seen.Max());
        Assert.Equal(10, server.Statistics.Accepted);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Callers_beyond_the_limit_are_refused_until_one_has_left()
    {
        await using var calls = new WatchedCalls(async (connection, stop) =>
        {
            await connection.WriteAsync("hello"u8.ToArray(), stop);
            await connection.ReadAsync(new byte[1], stop);
        }, concurrency: Concurrency.Threads(1, WhenFull.Refuse));
        for (int round = 0; round < 3; round++)
        {
            using Caller served = await ServedAsync(calls);
            using Caller refused = await calls.CallAsync();
            await refused.WaitForEndAsync();
            Assert.Equal(ConnectionEndReason.Limit, (await calls.Ends.NextAsync()).End.Reason);
            served.CloseOutput();
            Assert.Equal(ConnectionEndReason.PeerClosed, (await calls.Ends.NextAsync()).End.Reason);
        }
    }

    /// <summary>Calls until it is served: a connection has ended a moment before its thread is free.</summary>
    private static async Task<Caller> ServedAsync(WatchedCalls calls)
    {
        while (true)
        {
            Caller caller = await calls.CallAsync();
            if (await caller.Socket.ReceiveAsync(new byte[5]).InTime() == 5)
            {
                return caller;
            }
            caller.Dispose();
            Assert.Equal(ConnectionEndReason.Limit, (await calls.Ends.NextAsync()).End.Reason);
        }
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_running_call_keeps_the_program_alive_if_it_was_asked_to(bool background)
    {
        await using var call = new OneCall<(bool, string?)>(Concurrency.Threads(background: background),
            (_, _) => Task.FromResult((Thread.CurrentThread.IsBackground, Thread.CurrentThread.Name)));
        using Caller caller = await call.CallAsync();
        (bool wasBackground, string? name) = await call.Result;
        Assert.Equal(background, wasBackground);
        Assert.StartsWith(call.Server.Name, name, StringComparison.Ordinal);
    }

    [Fact]
    public void A_limit_of_none_is_refused() => Assert.Throws<ArgumentOutOfRangeException>(() => Concurrency.Threads(0));
}
