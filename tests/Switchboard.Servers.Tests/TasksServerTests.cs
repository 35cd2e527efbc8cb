using System.Net;
using System.Text;
using Switchboard.Linux;

namespace Switchboard.Servers.Tests;

/// <summary>What is special about a server on the thread pool.</summary>
public sealed class TasksServerTests
{
    [Fact]
    public void A_blocking_handler_is_refused_with_what_to_choose_instead()
    {
        var refused = Assert.Throws<ArgumentException>("concurrency", () => new TcpServer<Blocking>("127.0.0.1:0", Concurrency.Tasks()));
        Assert.Contains("would block the thread pool", refused.Message, StringComparison.Ordinal);
        Assert.Contains("Choose Concurrency.Threads", refused.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Handlers_of_two_callers_run_at_the_same_time()
    {
        using var both = new Barrier(2);
        await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            Assert.True(both.SignalAndWait(Deadline.Time, stop), "The other handler does not run.");
            await connection.WriteAsync("met"u8.ToArray(), stop);
        }, Concurrency.Tasks());
        await server.StartAsync().InTime();
        using Caller one = await Caller.ConnectAsync(server);
        using Caller two = await Caller.ConnectAsync(server);
        Assert.Equal("met", await one.ReadTextToEndAsync());
        Assert.Equal("met", await two.ReadTextToEndAsync());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_blocking_wait_is_refused_and_harms_nothing()
    {
        byte[] much = Sizes.Pattern(Sizes.MoreThanBuffered);
        var mayRead = new TaskCompletionSource();
        await using var call = new OneCall<string>(Concurrency.Tasks(), async (connection, stop) =>
        {
            ValueTask write = connection.WriteAsync(much, stop);
            ValueTask<ReadOnlyMemory<byte>?> read = connection.ReadMessageAsync(Framing.Line, stop);
            foreach (Action wait in (Action[])[() => write.GetAwaiter().GetResult(), () => read.GetAwaiter().GetResult(), () => connection.Read(new byte[1]), () => connection.Write("x"u8)])
            {
                var refused = Assert.Throws<InvalidOperationException>(wait);
                Assert.True(refused.Message.Contains("Concurrency.Threads", StringComparison.Ordinal) || refused.Message.Contains("one read at a time", StringComparison.Ordinal), refused.Message);
            }
            mayRead.SetResult();
            await write;
            return Encoding.UTF8.GetString((await read)!.Value.Span);
        });
        using Caller caller = await call.CallAsync(receiveBuffer: 16 * 1024);
        await Task.WhenAny(mayRead.Task, call.Result);
        Assert.Equal(much, await caller.ReadAsync(much.Length));
        await caller.SendAsync("still here\n");
        Assert.Equal("still here", await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task What_was_written_arrives_although_a_read_is_pending_when_the_handler_returns()
    {
        byte[] words = Sizes.Pattern(100_000);
        Task<int>? read = null;
        await using var call = new OneCall<bool>(Concurrency.Tasks(), async (connection, stop) =>
        {
            read = connection.ReadAsync(new byte[16], CancellationToken.None).AsTask();
            await connection.WriteAsync(words, stop);
            return true;
        });
        using Caller caller = await call.CallAsync();
        // All that was written is still on its way when the connection is closed.
        Assert.Equal(ConnectionEndReason.HandlerReturned, (await call.End).Reason);
        await Assert.ThrowsAsync<ConnectionEndedException>(() => read!.InTime());
        Assert.Equal(words, await caller.ReadToEndAsync());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_caller_who_comes_between_two_waits_for_one_request_is_the_next_one()
    {
        await using var server = new TcpServer("127.0.0.1:0", (connection, stop) => connection.WriteAsync("served"u8.ToArray(), stop).AsTask(),
            Concurrency.Tasks(), new ServerOptions { RequestTimeout = TimeSpan.FromMilliseconds(20) });
        Assert.False(await server.HandleRequestAsync().InTime());
        using Caller one = await Caller.ConnectAsync(server);
        using Caller two = await Caller.ConnectAsync(server);
        Assert.False(one.Socket.Poll(TimeSpan.FromMilliseconds(50), System.Net.Sockets.SelectMode.SelectRead), "A caller was served whom nobody asked for.");
        foreach (Caller caller in (Caller[])[one, two])
        {
            Assert.True(await server.HandleRequestAsync().InTime());
            Assert.Equal("served", await caller.ReadTextToEndAsync());
        }
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Callers_who_were_not_asked_for_are_let_go_when_the_server_stops()
    {
        await using var server = new TcpServer("127.0.0.1:0", (_, _) => Task.CompletedTask, Concurrency.Tasks(), new ServerOptions { RequestTimeout = TimeSpan.Zero });
        Assert.False(await server.HandleRequestAsync().InTime());
        using Caller one = await Caller.ConnectAsync(server);
        using Caller two = await Caller.ConnectAsync(server);
        await server.StopAsync().InTime();
        await one.WaitForEndAsync();
        await two.WaitForEndAsync();
        Assert.Equal(0, server.Statistics.Accepted);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task An_address_in_use_is_told_as_under_every_model()
    {
        await using var first = new TcpServer("127.0.0.1:0", (_, _) => Task.CompletedTask, Concurrency.Tasks());
        first.Activate();
        await using var second = new TcpServer($"{first.LocalEndPoint}", (_, _) => Task.CompletedTask, Concurrency.Tasks());
        Assert.Equal(new AddressInUseException("bind", $"{first.LocalEndPoint}").Message, Assert.Throws<AddressInUseException>(second.Bind).Message);
        await using var third = new TcpServer(new ServerAddress(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 0)), (_, _) => Task.CompletedTask, Concurrency.Tasks());
        var refused = Assert.Throws<SystemCallException>(third.Bind);
        Assert.Equal(Errno.AddressNotAvailable, refused.Errno);
        Assert.Contains("192.0.2.1", refused.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_unix_server_tells_no_address_of_a_caller_who_has_none()
    {
        using var folder = new TemporaryFolder();
        var seen = new TaskCompletionSource<(EndPoint? Remote, EndPoint? Local)>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new UnixStreamServer(folder.Address("tasks.sock"), async (connection, stop) =>
        {
            seen.SetResult((connection.RemoteEndPoint, connection.LocalEndPoint));
            connection.SetNoDelay(true);
            await connection.WriteAsync("served"u8.ToArray(), stop);
        }, Concurrency.Tasks());
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        Assert.Equal("served", await caller.ReadTextToEndAsync());
        Assert.Equal((null, server.LocalEndPoint), await seen.Task.InTime());
        await server.StopAsync().InTime();
        Assert.False(File.Exists(folder.File("tasks.sock")));
    }

    private sealed class Blocking : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop)
        {
        }
    }
}
