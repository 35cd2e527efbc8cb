using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Switchboard.Servers.Tests;

/// <summary>Every connection ends once, with the reason that was first, and whoever asks learns the same.</summary>
public sealed class ConnectionEndTests
{
    private static readonly TimeSpan _short = TimeSpan.FromMilliseconds(50);
    private static readonly byte[] _much = Sizes.Pattern(Sizes.MoreThanBuffered);

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads, false)]
    [InlineData(Model.Threads, true)]
    [InlineData(Model.OneLoop, false)]
    [InlineData(Model.Tasks, false)]
    public async Task Peer_closed(Model model, bool blocking)
    {
        await using WatchedCalls calls = Reading(model, blocking);
        using Caller caller = await calls.CallAsync();
        await caller.SendAsync("hello");
        await caller.ExpectAsync("!");
        caller.CloseOutput();
        Assert.Empty(await caller.ReadToEndAsync());
        ConnectionEnd end = await calls.AssertEndsAsync(ConnectionEndReason.PeerClosed);
        Assert.Equal((5, 1), (end.Received, end.Sent));
        Assert.Null(end.Exception);
        Assert.InRange(end.Duration, TimeSpan.FromTicks(1), Deadline.Time);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads, false)]
    [InlineData(Model.Threads, true)]
    [InlineData(Model.OneLoop, false)]
    [InlineData(Model.Tasks, false)]
    public async Task Reset_while_the_handler_reads(Model model, bool blocking)
    {
        await using WatchedCalls calls = Reading(model, blocking);
        using Caller caller = await calls.CallAsync();
        await caller.SendAsync("hello");
        await caller.ExpectAsync("!");
        caller.Reset();
        ConnectionEnd end = await calls.AssertEndsAsync(ConnectionEndReason.Reset);
        Assert.IsType<Linux.SystemCallException>(end.Exception);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads, false)]
    [InlineData(Model.Threads, true)]
    [InlineData(Model.OneLoop, false)]
    [InlineData(Model.Tasks, false)]
    public async Task Reset_while_the_handler_writes(Model model, bool blocking)
    {
        await using WatchedCalls calls = Writing(model, blocking, ConnectionLimits.Default);
        using Caller caller = await calls.CallAsync(receiveBuffer: 16 * 1024);
        await caller.ReadAsync(100);
        caller.Reset();
        ConnectionEnd end = await calls.AssertEndsAsync(ConnectionEndReason.Reset);
        Assert.InRange(end.Sent, 100, _much.Length - 1);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads, false)]
    [InlineData(Model.Threads, true)]
    [InlineData(Model.OneLoop, false)]
    [InlineData(Model.Tasks, false)]
    public async Task Reset_before_the_caller_was_accepted(Model model, bool blocking)
    {
        await using WatchedCalls calls = Reading(model, blocking);
        calls.Server.Activate();
        using (Caller caller = await Caller.ConnectAsync(calls.Server))
        {
            caller.Reset();
        }
        await calls.Server.StartAsync().InTime();
        await calls.AssertEndsAsync(ConnectionEndReason.Reset);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_handler_that_writes_to_a_peer_that_is_dead_learns_it_and_the_connection_closes()
    {
        var dead = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var calls = new WatchedCalls(async (connection, stop) =>
        {
            await connection.WriteAsync("hello"u8.ToArray(), stop);
            await dead.Task;
            var error = await Assert.ThrowsAsync<ConnectionEndedException>(async () =>
            {
                while (true)
                {
                    await connection.WriteAsync("anybody?"u8.ToArray(), stop);
                }
            });
            Assert.Equal(ConnectionEndReason.Reset, error.Reason);
            Assert.Contains("lost", error.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<ConnectionEndedException>(async () => await connection.CloseOutputAsync());
            connection.Abort();
        });
        using Caller caller = await calls.CallAsync();
        await caller.ExpectAsync("hello");
        caller.Reset();
        dead.SetResult();
        await calls.AssertEndsAsync(ConnectionEndReason.Reset);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("", ConnectionEndReason.HandlerReturned)]
    // What was not read is looked at before the close, so as to send the last words safely, and there the reset shows.
    [InlineData("never read", ConnectionEndReason.Reset)]
    public async Task A_dead_peer_that_nobody_reads_or_writes_is_closed_when_the_handler_returns(string sent, ConnectionEndReason reason)
    {
        var dead = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var calls = new WatchedCalls((_, _) => dead.Task);
        using Caller caller = await calls.CallAsync();
        await caller.SendAsync(sent);
        await Deadline.UntilAsync(() => calls.Server.Connections.Count == 1, "the call runs");
        caller.Reset();
        dead.SetResult();
        await calls.AssertEndsAsync(reason);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads, false)]
    [InlineData(Model.Threads, true)]
    [InlineData(Model.OneLoop, false)]
    [InlineData(Model.Tasks, false)]
    public async Task Idle(Model model, bool blocking)
    {
        await using WatchedCalls calls = Reading(model, blocking, new ConnectionLimits { Idle = _short });
        using Caller caller = await calls.CallAsync();
        await caller.WaitForEndAsync();
        ConnectionEnd end = await calls.AssertEndsAsync(ConnectionEndReason.Idle);
        Assert.True(end.Duration >= _short, $"It ended after {end.Duration}.");
        await calls.AssertSaidAsync("ConnectionLimits.Idle");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads, false)]
    [InlineData(Model.Threads, true)]
    [InlineData(Model.OneLoop, false)]
    [InlineData(Model.Tasks, false)]
    public async Task Write_stalled(Model model, bool blocking)
    {
        await using WatchedCalls calls = Writing(model, blocking, new ConnectionLimits { WriteStall = _short });
        using Caller caller = await calls.CallAsync(receiveBuffer: 16 * 1024);
        ConnectionEnd end = await calls.AssertEndsAsync(ConnectionEndReason.WriteStalled);
        Assert.InRange(end.Sent, 1, _much.Length - 1);
        await calls.AssertSaidAsync("ConnectionLimits.WriteStall");
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_peer_that_is_slow_but_takes_bytes_has_not_stalled()
    {
        // At the same time, because slowness takes its time.
        await Task.WhenAll(GoesOnAsync(Model.Threads, blocking: false), GoesOnAsync(Model.Threads, blocking: true), GoesOnAsync(Model.OneLoop, blocking: false), GoesOnAsync(Model.Tasks, blocking: false));

        static async Task GoesOnAsync(Model model, bool blocking)
        {
            TimeSpan limit = TimeSpan.FromSeconds(2);
            await using WatchedCalls calls = Writing(model, blocking, new ConnectionLimits { WriteStall = limit });
            using Caller caller = await calls.CallAsync(receiveBuffer: 16 * 1024);
            await caller.ReadAsync(1);
            Connection connection = Assert.Single(calls.Server.Connections);
            long start = Stopwatch.GetTimestamp();
            long sent = 0;
            long since = start;
            TimeSpan longest = default;
            using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            while (Stopwatch.GetElapsedTime(start) < 3 * limit)
            {
                await caller.ReadAsync(4096);
                if (connection.Sent != sent)
                {
                    (sent, since) = (connection.Sent, Stopwatch.GetTimestamp());
                }
                TimeSpan still = Stopwatch.GetElapsedTime(since);
                longest = still > longest ? still : longest;
                await pace.WaitForNextTickAsync();
            }
            // A blocking write tells of what it has sent when it returns.
            Assert.True(blocking || longest > limit, $"{model}: the kernel had room for more within {longest}.");
            Assert.False(connection.Closed.IsCompleted);
        }
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task What_the_handler_leaves_to_be_sent_may_stall_too()
    {
        var limits = new ConnectionLimits { WriteStall = _short, PendingSend = _much.Length };
        await using var calls = new WatchedCalls((connection, _) =>
        {
            Assert.True(connection.TrySend(_much));
            return Task.CompletedTask;
        }, limits);
        using Caller caller = await calls.CallAsync(receiveBuffer: 16 * 1024);
        await calls.AssertEndsAsync(ConnectionEndReason.WriteStalled);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Message_too_long()
    {
        await using var calls = new WatchedCalls(async (connection, stop) => await connection.ReadMessageAsync(Framing.Line, stop), new ConnectionLimits { Message = 3 });
        using Caller caller = await calls.CallAsync();
        await caller.SendAsync("four\n");
        await caller.WaitForEndAsync();
        caller.Dispose();
        ConnectionEnd end = await calls.AssertEndsAsync(ConnectionEndReason.MessageTooLong);
        Assert.IsType<MessageTooLongException>(end.Exception);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Limit()
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var calls = new WatchedCalls((_, _) => go.Task, concurrency: Concurrency.Threads(1, WhenFull.Refuse));
        using Caller first = await calls.CallAsync();
        await Deadline.UntilAsync(() => calls.Server.Connections.Count == 1, "the first call runs");
        using Caller second = await calls.CallAsync();
        await second.WaitForEndAsync();
        (Connection connection, ConnectionEnd end) = await calls.Ends.NextAsync();
        Assert.Equal(ConnectionEndReason.Limit, end.Reason);
        Assert.Equal(second.Socket.LocalEndPoint, connection.RemoteEndPoint);
        Assert.Equal(1, calls.Server.Statistics.EndedBy[ConnectionEndReason.Limit]);
        go.SetResult();
        Assert.Equal(ConnectionEndReason.HandlerReturned, (await calls.Ends.NextAsync()).End.Reason);
        Assert.Equal(2, calls.Server.Statistics.Accepted);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads, false)]
    [InlineData(Model.Threads, true)]
    [InlineData(Model.OneLoop, false)]
    [InlineData(Model.Tasks, false)]
    public async Task Stopped(Model model, bool blocking)
    {
        await using WatchedCalls calls = Reading(model, blocking);
        using Caller caller = await calls.CallAsync();
        await caller.SendAsync("hello");
        await caller.ExpectAsync("!");
        await calls.Server.StopAsync().InTime();
        Assert.Empty(await caller.ReadToEndAsync());
        await calls.AssertEndsAsync(ConnectionEndReason.Stopped);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads, false)]
    [InlineData(Model.Threads, true)]
    [InlineData(Model.OneLoop, false)]
    [InlineData(Model.Tasks, false)]
    public async Task Stopped_after_the_grace_time(Model model, bool blocking)
    {
        await using WatchedCalls calls = Writing(model, blocking, ConnectionLimits.Default);
        using Caller caller = await calls.CallAsync(receiveBuffer: 16 * 1024);
        await caller.ReadAsync(100);
        await calls.Server.StopAsync(TimeSpan.Zero).InTime();
        await calls.AssertEndsAsync(ConnectionEndReason.Stopped, allowWarnings: true);
        await calls.AssertSaidAsync("after the grace");
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Handler_failed()
    {
        var thrown = new NotSupportedException("This handler can do nothing.");
        await using var calls = new WatchedCalls((_, _) => throw thrown);
        using Caller caller = await calls.CallAsync();
        await caller.WaitForEndAsync();
        ConnectionEnd end = await calls.AssertEndsAsync(ConnectionEndReason.HandlerFailed, allowWarnings: true);
        Assert.Same(thrown, end.Exception);
        LogRecord record = await calls.Log.WaitAsync(record => record.Level == LogLevel.Error);
        Assert.Same(thrown, record.Exception);
        Assert.Contains(caller.LocalAddress, record.Text, StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Handler_returned()
    {
        await using var calls = new WatchedCalls((_, _) => Task.CompletedTask);
        using Caller caller = await calls.CallAsync();
        Assert.Empty(await caller.ReadToEndAsync());
        await calls.AssertEndsAsync(ConnectionEndReason.HandlerReturned);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Aborted(bool byAnotherThread)
    {
        await using var calls = new WatchedCalls(async (connection, stop) =>
        {
            ValueTask<int> read = connection.ReadAsync(new byte[10], stop);
            if (byAnotherThread)
            {
                await Task.Run(connection.Abort, stop);
            }
            else
            {
                connection.Abort();
            }
            var error = await Assert.ThrowsAsync<ConnectionEndedException>(async () => await read);
            Assert.Equal(ConnectionEndReason.Aborted, error.Reason);
            await connection.WriteAsync("late"u8.ToArray(), stop);
        });
        using Caller caller = await calls.CallAsync();
        await caller.WaitForEndAsync();
        await calls.AssertEndsAsync(ConnectionEndReason.Aborted);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Unverified()
    {
        await using var calls = new WatchedCalls((_, _) => throw new NotSupportedException(), verify: false);
        using Caller caller = await calls.CallAsync();
        Assert.Empty(await caller.ReadToEndAsync());
        await calls.AssertEndsAsync(ConnectionEndReason.Unverified);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_first_cause_wins_although_the_handler_fails_over_it()
    {
        await using var calls = new WatchedCalls(async (connection, stop) =>
        {
            try
            {
                await connection.ReadAsync(new byte[10], stop);
            }
            catch (ConnectionEndedException exception)
            {
                // As streams and readers of other libraries do.
                throw new IOException("The stream broke.", exception);
            }
        }, new ConnectionLimits { Idle = _short });
        using Caller caller = await calls.CallAsync();
        await caller.WaitForEndAsync();
        await calls.AssertEndsAsync(ConnectionEndReason.Idle);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_listener_to_ends_that_throws_harms_nobody()
    {
        await using var calls = new WatchedCalls((_, _) => Task.CompletedTask, concurrency: Concurrency.Sequential());
        calls.Server.ConnectionEnded += (_, _) => throw new NotSupportedException("A bad listener.");
        for (int call = 0; call < 3; call++)
        {
            using Caller caller = await calls.CallAsync();
            Assert.Empty(await caller.ReadToEndAsync());
            Assert.Equal(ConnectionEndReason.HandlerReturned, (await calls.Ends.NextAsync()).End.Reason);
        }
        await calls.AssertSaidAsync("bad listener");
        await calls.Server.StopAsync().InTime();
        Assert.Equal(3, calls.Server.Statistics.EndedBy[ConnectionEndReason.HandlerReturned]);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads)]
    [InlineData(Model.OneLoop)]
    [InlineData(Model.Tasks)]
    public async Task Of_many_callers_that_leave_in_many_ways_each_has_one_end(Model model)
    {
        const int count = 120;
        await using var calls = new WatchedCalls(async (connection, stop) =>
        {
            await foreach (ReadOnlyMemory<byte> message in connection.ReadMessagesAsync(Framing.Packet, stop))
            {
                switch (message.Span[0])
                {
                    case (byte)'r':
                        return;
                    case (byte)'t':
                        throw new NotSupportedException();
                    case (byte)'a':
                        connection.Abort();
                        break;
                }
            }
        }, concurrency: model.Make());
        await Task.WhenAll(Enumerable.Range(0, count).Select(async index =>
        {
            using Caller caller = await calls.CallAsync();
            await caller.SendAsync("rtacx"[(index % 5)..]);
            if (index % 5 == 4)
            {
                caller.Reset();
                return;
            }
            caller.CloseOutput();
            await caller.WaitForEndAsync();
        }));
        var seen = new HashSet<long>();
        for (int index = 0; index < count; index++)
        {
            (Connection connection, ConnectionEnd end) = await calls.Ends.NextAsync();
            Assert.True(seen.Add(connection.Id), $"{connection} ended twice.");
            Assert.Same(end, await connection.Closed.InTime());
        }
        await calls.Server.StopAsync().InTime();
        Assert.Equal(0, calls.Ends.More);
        ServerStatistics statistics = calls.Server.Statistics;
        Assert.Equal((count, 0, count), (statistics.Accepted, statistics.Open, statistics.EndedBy.Values.Sum()));
        Assert.True(statistics.EndedBy.Count >= 4, string.Join(", ", statistics.EndedBy));
    }

    /// <summary>A handler that answers each read with one byte, until the end of input.</summary>
    private static WatchedCalls Reading(Model model, bool blocking, ConnectionLimits? limits = null) => blocking
        ? new WatchedCalls(new BlockingLambda(connection =>
        {
            while (connection.Read(new byte[10]) > 0)
            {
                connection.Write("!"u8);
            }
        }), limits)
        : new WatchedCalls(async (connection, stop) =>
        {
            while (await connection.ReadAsync(new byte[10], stop) > 0)
            {
                await connection.WriteAsync("!"u8.ToArray(), stop);
            }
        }, limits, model.Make());

    private static WatchedCalls Writing(Model model, bool blocking, ConnectionLimits limits) => blocking
        ? new WatchedCalls(new BlockingLambda(connection => connection.Write(_much)), limits)
        : new WatchedCalls(async (connection, stop) => await connection.WriteAsync(_much, stop), limits, model.Make());
}
