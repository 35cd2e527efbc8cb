using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Switchboard.Servers.Tests;

/// <summary>A stop lets calls end in good order, for as long as the grace time is.</summary>
public sealed class DrainTests
{
    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Handlers_learn_the_stop_by_their_token_and_still_say_goodbye(Model model)
    {
        await using var call = new OneCall<bool>(model.Make(), async (connection, stop) =>
        {
            await connection.WriteAsync("hello "u8.ToArray(), stop);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await connection.ReadAsync(new byte[1], stop));
            Assert.True(connection.Stopping.IsCancellationRequested);
            await connection.WriteAsync("good"u8.ToArray(), CancellationToken.None);
            await Task.Yield();
            Assert.True(connection.TrySend("bye"u8));
            return true;
        });
        using Caller caller = await call.CallAsync();
        await caller.ExpectAsync("hello ");
        await call.Server.StopAsync().InTime();
        Assert.Equal("goodbye", await caller.ReadTextToEndAsync());
        Assert.True(await call.Result);
        Assert.DoesNotContain(call.Log.Records, record => record.Level >= LogLevel.Warning);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task What_is_waiting_to_be_sent_goes_out_although_the_server_stops()
    {
        byte[] much = Sizes.Pattern(Sizes.MoreThanBuffered);
        var options = new ServerOptions { Limits = new ConnectionLimits { PendingSend = much.Length } };
        await using var call = new OneCall<bool>(Concurrency.Threads(), (connection, _) => Task.FromResult(connection.TrySend(much)), options);
        using Caller caller = await call.CallAsync(receiveBuffer: 16 * 1024);
        Assert.True(await call.Result);
        Task stopped = call.Server.StopAsync();
        Assert.False(stopped.IsCompleted);
        Assert.Equal(much, await caller.ReadToEndAsync());
        await stopped.InTime();
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Nobody_new_comes_in_while_the_server_drains()
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var call = new OneCall<bool>(Concurrency.Threads(), async (connection, stop) =>
        {
            await connection.WriteAsync("."u8.ToArray(), stop);
            await go.Task;
            return true;
        });
        using Caller caller = await call.CallAsync();
        await caller.ExpectAsync(".");
        Task stopped = call.Server.StopAsync();
        await Deadline.UntilAsync(() => IsRefused(call.Server), "the listener is closed");
        Assert.False(stopped.IsCompleted);
        Assert.Equal(1, call.Server.Statistics.Open);
        go.SetResult();
        await stopped.InTime();
        Assert.Equal((1, 0), (call.Server.Statistics.Accepted, call.Server.Statistics.Open));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task What_is_left_after_the_grace_is_ended_and_counted_in_the_log()
    {
        const int count = 3;
        var failures = new List<ConnectionEndedException>();
        await using var calls = new WatchedCalls(async (connection, _) =>
        {
            await connection.WriteAsync("."u8.ToArray(), CancellationToken.None);
            // It does not look at its token.
            var error = await Assert.ThrowsAsync<ConnectionEndedException>(async () => await connection.ReadAsync(new byte[1]));
            lock (failures)
            {
                failures.Add(error);
            }
        });
        Caller[] callers = [await calls.CallAsync(), await calls.CallAsync(), await calls.CallAsync()];
        foreach (Caller caller in callers)
        {
            await caller.ExpectAsync(".");
        }
        await calls.Server.StopAsync(TimeSpan.FromMilliseconds(20)).InTime();
        LogRecord cut = Assert.Single(calls.Log.Records, record => record.Id == 3);
        Assert.Equal(LogLevel.Warning, cut.Level);
        Assert.Contains($"ends {count} calls", cut.Text, StringComparison.Ordinal);
        Assert.Equal(count, failures.Count);
        Assert.All(failures, error => Assert.Equal(ConnectionEndReason.Stopped, error.Reason));
        Assert.Equal(count, calls.Server.Statistics.EndedBy[ConnectionEndReason.Stopped]);
        foreach (Caller caller in callers)
        {
            await caller.WaitForEndAsync();
            caller.Dispose();
        }
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_second_stop_with_a_shorter_grace_cuts_the_first_one_short()
    {
        await using var calls = new WatchedCalls(async (connection, _) =>
        {
            await connection.WriteAsync("."u8.ToArray(), CancellationToken.None);
            await connection.ReadAsync(new byte[1]);
        });
        using Caller caller = await calls.CallAsync();
        await caller.ExpectAsync(".");
        Task patient = calls.Server.StopAsync(Timeout.InfiniteTimeSpan);
        Assert.False(patient.IsCompleted);
        await calls.Server.StopAsync(TimeSpan.Zero).InTime();
        await patient.InTime();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_handler_that_never_ends_is_named_and_does_not_keep_the_stop(Model model)
    {
        using var release = new ManualResetEventSlim();
        await using var calls = new WatchedCalls((connection, _) =>
        {
            Assert.True(connection.TrySend("."u8));
            Assert.True(release.Wait(Deadline.Time));
            return Task.CompletedTask;
        }, concurrency: model.Make());
        using Caller caller = await calls.CallAsync();
        await caller.ExpectAsync(".");
        await calls.Server.StopAsync(TimeSpan.Zero).InTime();
        LogRecord record = Assert.Single(calls.Log.Records, record => record.Id == 4);
        Assert.Equal(LogLevel.Error, record.Level);
        Assert.Contains("1 handlers", record.Text, StringComparison.Ordinal);
        await caller.WaitForEndAsync();
        release.Set();
        Assert.Equal(ConnectionEndReason.Stopped, (await calls.Ends.NextAsync()).End.Reason);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Without_join_on_close_a_stop_leaves_calls_alone()
    {
        await using var calls = new WatchedCalls(async (connection, _) =>
        {
            await connection.WriteAsync("."u8.ToArray(), CancellationToken.None);
            while (await connection.ReadMessageAsync(Framing.Line) is { } line)
            {
                await connection.WriteAsync(line);
            }
        }, concurrency: Concurrency.Threads(joinOnClose: false));
        using Caller caller = await calls.CallAsync();
        await caller.ExpectAsync(".");
        await calls.Server.StopAsync().InTime();
        await caller.SendAsync("still here\n");
        await caller.ExpectAsync("still here");
        caller.CloseOutput();
        Assert.Empty(await caller.ReadToEndAsync());
        Assert.Equal(ConnectionEndReason.PeerClosed, (await calls.Ends.NextAsync()).End.Reason);
    }

    private static bool IsRefused(SocketServer server)
    {
        using var socket = new Socket(server.LocalEndPoint!.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(server.LocalEndPoint);
            return false;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode == SocketError.ConnectionRefused;
        }
    }
}
