namespace Switchboard.Servers.Tests;

/// <summary>What one connection may take, and what each limit says when it ends one.</summary>
public sealed class ConnectionLimitsTests
{
    private static readonly TimeSpan _short = TimeSpan.FromMilliseconds(50);

    public static TheoryData<Model, bool> Handlers => new()
    {
        { Model.Sequential, false }, { Model.Threads, false }, { Model.Threads, true }, { Model.OneLoop, false }, { Model.ThreeLoops, false }, { Model.Tasks, false },
    };

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Handlers))]
    public async Task A_caller_that_sends_nothing_is_ended_by_the_limit_of_the_first_byte(Model model, bool blocking)
    {
        await using WatchedCalls calls = Echo(model, blocking, new() { FirstByte = _short });
        using Caller caller = await calls.CallAsync();
        await caller.WaitForEndAsync();
        ConnectionEnd end = await calls.AssertEndsAsync(ConnectionEndReason.NoFirstByte);
        Assert.True(end.Duration >= _short, $"It ended after {end.Duration}.");
        await calls.AssertSaidAsync("ConnectionLimits.FirstByte");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Handlers))]
    public async Task A_caller_that_has_sent_a_byte_may_be_silent_for_as_long_as_the_idle_limit_says(Model model, bool blocking)
    {
        var idle = TimeSpan.FromMilliseconds(400);
        await using WatchedCalls calls = Echo(model, blocking, new() { FirstByte = _short, Idle = idle });
        using Caller caller = await calls.CallAsync();
        await caller.SendAsync("x");
        await caller.ExpectAsync("x");
        await caller.WaitForEndAsync();
        ConnectionEnd end = await calls.AssertEndsAsync(ConnectionEndReason.Idle);
        Assert.True(end.Duration >= idle, $"It ended after {end.Duration}.");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Reads_that_are_given_up_and_begun_anew_do_not_prolong_the_time_of_the_first_byte(Model model)
    {
        await using var calls = new WatchedCalls(async (connection, stop) =>
        {
            var buffer = new byte[10];
            while (true)
            {
                using var time = new CancellationTokenSource(TimeSpan.FromMilliseconds(20));
                try
                {
                    await connection.ReadAsync(buffer, time.Token);
                }
                catch (OperationCanceledException)
                {
                }
            }
        }, new() { FirstByte = TimeSpan.FromMilliseconds(200), Idle = TimeSpan.FromSeconds(20) }, model.Make());
        using Caller caller = await calls.CallAsync();
        await caller.WaitForEndAsync();
        ConnectionEnd end = await calls.AssertEndsAsync(ConnectionEndReason.NoFirstByte);
        Assert.InRange(end.Duration, TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(19));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Handlers))]
    public async Task A_byte_that_waits_for_a_handler_that_reads_late_counts(Model model, bool blocking)
    {
        await using WatchedCalls calls = blocking
            ? new WatchedCalls(new BlockingLambda(connection =>
            {
                using var late = new ManualResetEventSlim();
                late.Wait(2 * _short);
                var buffer = new byte[1];
                Assert.Equal(1, connection.Read(buffer));
                connection.Write(buffer);
            }), new() { FirstByte = _short })
            : new WatchedCalls(async (connection, stop) =>
            {
                await Task.Delay(2 * _short, stop);
                var buffer = new byte[1];
                Assert.Equal(1, await connection.ReadAsync(buffer, stop));
                await connection.WriteAsync(buffer, stop);
            }, new() { FirstByte = _short }, model.Make());
        using Caller caller = await calls.CallAsync();
        await caller.SendAsync("x");
        await caller.ExpectAsync("x");
        caller.Dispose();
        await calls.AssertEndsAsync(ConnectionEndReason.HandlerReturned);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Handlers))]
    public async Task A_call_is_ended_when_its_time_is_over_although_its_peer_talks(Model model, bool blocking)
    {
        var limit = TimeSpan.FromMilliseconds(300);
        await using WatchedCalls calls = Echo(model, blocking, new() { Call = limit });
        using Caller caller = await calls.CallAsync();
        Task<(Connection Connection, ConnectionEnd End)> ended = calls.Ends.NextAsync();
        try
        {
            while (!ended.IsCompleted)
            {
                await caller.SendAsync("x");
                await caller.ExpectAsync("x");
            }
        }
        catch (Exception exception) when (exception is System.Net.Sockets.SocketException or Xunit.Sdk.TrueException)
        {
        }
        ConnectionEnd end = (await ended).End;
        Assert.Equal(ConnectionEndReason.CallTooLong, end.Reason);
        Assert.True(end.Duration >= limit, $"It ended after {end.Duration}.");
        await calls.AssertSaidAsync("ConnectionLimits.Call");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_peer_that_takes_less_than_is_sent_to_it_is_ended_if_so_wanted(Model model)
    {
        var chunk = new byte[10_000];
        await using var calls = new WatchedCalls(async (connection, stop) =>
        {
            while (connection.TrySend(chunk))
            {
                await Task.Yield();
            }
            await connection.WriteAsync(chunk, stop);
        }, new() { SlowPeer = SlowPeer.End, WriteStall = TimeSpan.FromSeconds(20) }, model.Make());
        using Caller deaf = await calls.CallAsync(receiveBuffer: 4096);
        await calls.AssertEndsAsync(ConnectionEndReason.TooSlow);
        await calls.AssertSaidAsync("ConnectionLimits.PendingSend");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.Together), MemberType = typeof(Models))]
    public async Task A_broadcast_ends_the_peer_that_takes_nothing_and_reaches_the_others(Model model)
    {
        await using var calls = new WatchedCalls(LineEcho.ServeAsync, new() { SlowPeer = SlowPeer.End }, model.Make());
        using Caller deaf = await calls.CallAsync(receiveBuffer: 4096);
        using Caller other = await calls.CallAsync();
        await deaf.SayAsync("here");
        await other.SayAsync("here");
        var chunk = new byte[10_000];
        Task<(Connection Connection, ConnectionEnd End)> ended = calls.Ends.NextAsync();
        while (!ended.IsCompleted)
        {
            calls.Server.Broadcast(chunk);
            await other.ReadAsync(chunk.Length);
        }
        (Connection connection, ConnectionEnd end) = await ended;
        Assert.Equal(ConnectionEndReason.TooSlow, end.Reason);
        Assert.Equal(deaf.Socket.LocalEndPoint, connection.RemoteEndPoint);
        await other.SayAsync("still here");
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_message_that_is_too_long_by_itself_is_not_the_peers_fault()
    {
        using var pair = new ConnectionPair(new() { SlowPeer = SlowPeer.End, PendingSend = 10 });
        Assert.False(pair.Server.TrySend(new byte[11]));
        await pair.Server.WriteAsync(new byte[1]).InTime();
        await using var calls = new WatchedCalls(async (connection, stop) =>
        {
            Assert.False(connection.TrySend(new byte[11]));
            await connection.WriteAsync(new byte[1], stop);
        }, new() { SlowPeer = SlowPeer.End, PendingSend = 10 });
        using Caller caller = await calls.CallAsync();
        await caller.ReadAsync(1);
        await calls.AssertEndsAsync(ConnectionEndReason.HandlerReturned);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task In_memory_too_a_slow_peer_is_ended_if_so_wanted()
    {
        using var pair = new ConnectionPair(new() { SlowPeer = SlowPeer.End });
        while (pair.Server.TrySend(new byte[10_000]))
        {
        }
        ConnectionEndedException error = await Assert.ThrowsAsync<ConnectionEndedException>(() => pair.Server.WriteAsync(new byte[1]).InTime());
        Assert.Equal(ConnectionEndReason.TooSlow, error.Reason);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_fixed_size_beyond_the_limit_of_messages_is_the_handlers_fault_and_names_both()
    {
        await using var calls = new WatchedCalls(async (connection, stop) => await connection.ReadMessageAsync(Framing.FixedSize(11), stop), new() { Message = 10 });
        using Caller caller = await calls.CallAsync();
        await caller.SendAsync("x");
        await caller.WaitForEndAsync();
        ConnectionEnd end = await calls.AssertEndsAsync(ConnectionEndReason.HandlerFailed, allowWarnings: true);
        InvalidOperationException error = Assert.IsType<InvalidOperationException>(end.Exception);
        Assert.Contains("FixedSize(11)", error.Message, StringComparison.Ordinal);
        Assert.Contains("ConnectionLimits.Message, which is 10", error.Message, StringComparison.Ordinal);
    }

    private static WatchedCalls Echo(Model model, bool blocking, ConnectionLimits limits) => blocking
        ? new WatchedCalls(new BlockingLambda(connection =>
        {
            var buffer = new byte[10];
            int count;
            while ((count = connection.Read(buffer)) > 0)
            {
                connection.Write(buffer.AsSpan(0, count));
            }
        }), limits)
        : new WatchedCalls(async (connection, stop) =>
        {
            var buffer = new byte[10];
            int count;
            while ((count = await connection.ReadAsync(buffer, stop)) > 0)
            {
                await connection.WriteAsync(buffer.AsMemory(0, count), stop);
            }
        }, limits, model.Make());
}
