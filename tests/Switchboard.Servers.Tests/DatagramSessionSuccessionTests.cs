using static Switchboard.Servers.Tests.Sessions;

namespace Switchboard.Servers.Tests;

/// <summary>A peer has one handler at a time: its next session begins when the handler of the last one has ended, and loses
/// nothing of what came in between.</summary>
public sealed class DatagramSessionSuccessionTests
{
    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task The_next_session_waits_for_the_end_of_the_handler(Model model)
    {
        var old = new OldHandler();
        await using UdpSessionServer server = Serve(model, old.ServeAsync);
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        Assert.Equal("ended", await AskAsync(caller, "end"));
        await caller.SendAsync("a");
        await caller.SendAsync("b");
        using var other = new DatagramCaller(server);
        // One socket: what was sent before this was given to its session before this was.
        Assert.EndsWith(" 1 c", await AskAsync(other, "c"), StringComparison.Ordinal);
        Assert.Equal(2, server.Sessions.Count);
        old.Go.SetResult();
        Assert.EndsWith(" 1 a", await caller.ReceiveAsync(), StringComparison.Ordinal);
        Assert.EndsWith(" 2 b", await caller.ReceiveAsync(), StringComparison.Ordinal);
        Assert.EndsWith(" 3 d", await AskAsync(caller, "d"), StringComparison.Ordinal);
        Assert.Equal((3, 0), (server.Statistics.Accepted, server.Statistics.Dropped));
        Assert.Equal(1, server.Statistics.EndedBy[ConnectionEndReason.Aborted]);
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task What_waits_for_the_next_session_is_limited_as_in_any(Model model)
    {
        var old = new OldHandler();
        await using UdpSessionServer server = Serve(model, old.ServeAsync, new DatagramSessionOptions { Queue = 2, Sessions = 1 });
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        Assert.Equal("ended", await AskAsync(caller, "end"));
        for (int i = 1; i <= 5; i++)
        {
            await caller.SendAsync($"d{i}");
        }
        await Deadline.UntilAsync(() => server.Statistics.Dropped == 3, "three found the queue full");
        // It takes the place of the one before it, and no other.
        using var other = new DatagramCaller(server);
        await other.SendAsync("no place");
        await Deadline.UntilAsync(() => server.Statistics.Dropped == 4, "the only place is taken");
        old.Go.SetResult();
        Assert.EndsWith(" 1 d1", await caller.ReceiveAsync(), StringComparison.Ordinal);
        Assert.EndsWith(" 2 d2", await caller.ReceiveAsync(), StringComparison.Ordinal);
        await other.SendAsync("still no place");
        await Deadline.UntilAsync(() => server.Statistics.Dropped == 5, "the place has gone on to the next session");
        Assert.Single(server.Sessions).End();
        await EndedAsync(server, ConnectionEndReason.Aborted, 2);
        Assert.EndsWith(" 1 e", await AskAsync(other, "e"), StringComparison.Ordinal);
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_session_that_waits_when_the_server_stops_never_begins(Model model)
    {
        var old = new OldHandler();
        await using UdpSessionServer server = Serve(model, old.ServeAsync);
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        Assert.Equal("ended", await AskAsync(caller, "end"));
        await caller.SendAsync("a");
        await caller.SendAsync("b");
        using var other = new DatagramCaller(server);
        Assert.EndsWith(" 1 c", await AskAsync(other, "c"), StringComparison.Ordinal);
        Task stopped = server.StopAsync();
        Assert.False(stopped.IsCompleted);
        old.Go.SetResult();
        await stopped.InTime();
        Assert.Equal((2, 0, 2), (server.Statistics.Accepted, server.Statistics.Open, server.Statistics.Dropped));
        Assert.Equal(2, server.Statistics.EndedBy.Values.Sum());
    }

    [Theory(Timeout = 2 * Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task Sessions_that_end_all_the_time_keep_order_and_lose_nothing(Model model)
    {
        await using UdpSessionServer server = Serve(model, new OneAtATime().ServeAsync);
        await AskManyAsync(server);
    }

    [Theory(Timeout = 2 * Deadline.Milliseconds)]
    [InlineData(WhenFull.Wait)]
    [InlineData(WhenFull.Refuse)]
    public async Task A_thread_that_is_about_to_be_free_is_waited_for(WhenFull whenFull)
    {
        await using var server = new UdpSessionServer("127.0.0.1:0", new OneAtATime().ServeAsync, Concurrency.Threads(2, whenFull), Options(new() { Sessions = 1 }));
        await AskManyAsync(server);
    }

    private static async Task AskManyAsync(UdpSessionServer server)
    {
        const int count = 400;
        const int ahead = 20;
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        for (int i = 0; i < count + ahead; i++)
        {
            if (i < count)
            {
                await caller.SendAsync($"{i}");
            }
            if (i >= ahead)
            {
                Assert.Equal($"{i - ahead}", await caller.ReceiveAsync());
            }
        }
        Assert.Equal(0, server.Statistics.Dropped);
        Assert.InRange(server.Statistics.Accepted, 2, count);
    }

    /// <summary>Serves as <see cref="CountAsync"/>, but for a peer whose first word is to end: that session ends at once, and its
    /// handler when it is told to.</summary>
    private sealed class OldHandler
    {
        internal TaskCompletionSource Go { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal async Task ServeAsync(DatagramSession session, CancellationToken stop)
        {
            if (session.Id > 1)
            {
                await CountAsync(session, stop);
                return;
            }
            Assert.Equal("end", Text((await session.ReceiveAsync(stop))!));
            session.End();
            await SayAsync(session, "ended");
            await Go.Task;
        }
    }

    /// <summary>Ends each session at its first datagram, and answers those that it has. Fails if two of its calls run at once.</summary>
    private sealed class OneAtATime
    {
        private int _running;

        internal async Task ServeAsync(DatagramSession session, CancellationToken stop)
        {
            int running = Interlocked.Increment(ref _running);
            await foreach (Datagram datagram in session.ReceiveAllAsync(stop))
            {
                session.End();
                await Task.Yield();
                await SayAsync(session, running == 1 ? Text(datagram) : $"{running} at once");
            }
            Interlocked.Decrement(ref _running);
        }
    }
}
