using System.Collections.Concurrent;

namespace Switchboard.Servers.Tests;

/// <summary>What CPython's tests ask of a server whose handler fails.</summary>
public sealed class HandlerErrorConformanceTests
{
    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_sequential_server_handles_an_error_before_it_takes_the_next_request()
    {
        await using var server = new WatchedServer((_, _) => throw new InvalidOperationException("Test error"), Concurrency.Sequential());
        await server.ServeOneAsync();
        Assert.Equal(["handler called", "error handled: Test error"], server.Events);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_threading_server_handles_an_error()
    {
        await using var server = new WatchedServer((_, _) => throw new InvalidOperationException("Test error"), Concurrency.Threads());
        await server.ServeOneAsync();
        await server.Ended.InTime();
        Assert.Equal(["handler called", "error handled: Test error"], server.Events);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_sequential_server_does_not_take_the_leaving_of_a_handler_at_a_stop_for_an_error()
    {
        await using var server = new WatchedServer(Task (_, stop) => Task.Delay(Timeout.Infinite, stop), Concurrency.Sequential());
        await AssertNotHandledAsync(server);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_threading_server_does_not_take_the_leaving_of_a_handler_at_a_stop_for_an_error()
    {
        await using var server = new WatchedServer(Task (_, stop) => Task.Delay(Timeout.Infinite, stop), Concurrency.Threads());
        await AssertNotHandledAsync(server);
    }

    private static async Task AssertNotHandledAsync(WatchedServer server)
    {
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        await server.Called.InTime();
        await server.StopAsync().InTime();
        Assert.Equal(ConnectionEndReason.Stopped, (await server.Ended.InTime()).Reason);
        Assert.Equal(["handler called"], server.Events);
    }

    private sealed class WatchedServer : TcpServer
    {
        private readonly ConcurrentQueue<string> _events;
        private readonly TaskCompletionSource _called;
        private readonly TaskCompletionSource<ConnectionEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal WatchedServer(Func<Connection, CancellationToken, Task> handler, Concurrency concurrency)
            : this(handler, concurrency, [], new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously))
        {
        }

        private WatchedServer(Func<Connection, CancellationToken, Task> handler, Concurrency concurrency, ConcurrentQueue<string> events, TaskCompletionSource called)
            : base("127.0.0.1:0", (connection, stop) =>
            {
                events.Enqueue("handler called");
                called.TrySetResult();
                return handler(connection, stop);
            }, concurrency)
        {
            (_events, _called) = (events, called);
            ConnectionEnded += (_, end) => _ended.TrySetResult(end);
        }

        internal string[] Events => [.. _events];

        internal Task Called => _called.Task;

        internal Task<ConnectionEnd> Ended => _ended.Task;

        internal async Task ServeOneAsync()
        {
            Activate();
            (await Caller.ConnectAsync(this)).Dispose();
            Assert.True(await HandleRequestAsync().InTime());
        }

        protected override void OnError(Connection request, Exception exception) => _events.Enqueue($"error handled: {exception.Message}");
    }
}
