using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

#pragma warning disable xUnit1051 // Which of these calls get a token is what the tests are about; all of them have a limit of time.

namespace Switchboard.Polling.Tests;

/// <summary>Accepting on a loop: who gets which caller, errors, and the listener's end.</summary>
[Collection(nameof(DescriptorNumbers))]
public sealed class LoopAcceptTests
{
    private const int Limit = 120_000;

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Accepts_that_wait_at_once_get_a_caller_each(bool onLoop)
    {
        await using EventLoop loop = EventLoop.Start();
        using Listener listener = Listen();
        await loop.DoAsync(onLoop, async () =>
        {
            Task<LoopSocket>[] accepts = [.. Enumerable.Range(0, 5).Select(_ => listener.AcceptAsync(loop))];
            var clients = new List<LoopSocket>();
            for (int i = 0; i < 5; i++)
            {
                clients.Add(await LoopSocket.ConnectAsync(loop, listener.LocalEndPoint));
            }
            LoopSocket[] servers = await Task.WhenAll(accepts);
            Assert.Equal(clients.Select(client => client.LocalEndPoint), servers.Select(server => server.RemoteEndPoint));
            foreach (LoopSocket socket in (LoopSocket[])[.. clients, .. servers])
            {
                await socket.DisposeAsync();
            }
        });
    }

    [Fact(Timeout = Limit)]
    public async Task Several_loops_may_accept_from_one_listener()
    {
        await using EventLoop first = EventLoop.Start();
        await using EventLoop second = EventLoop.Start();
        using Listener listener = Listen();
        Task<LoopSocket>[] accepts = [listener.AcceptAsync(first), listener.AcceptAsync(second)];
        using Socket one = Call(listener);
        using Socket two = Call(listener);
        LoopSocket[] servers = await Task.WhenAll(accepts).Within();
        Assert.Equal([first, second], servers.Select(server => server.Loop));
        Assert.Equal(new[] { one.LocalEndPoint!.ToString(), two.LocalEndPoint!.ToString() }.Order(), servers.Select(server => server.RemoteEndPoint!.ToString()!).Order());
        foreach (LoopSocket server in servers)
        {
            await server.DisposeAsync();
        }
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_cancelled_accept_loses_no_caller(bool onLoop)
    {
        await using EventLoop loop = EventLoop.Start();
        using Listener listener = Listen();
        await loop.DoAsync(onLoop, async () =>
        {
            for (int i = 0; i < 100; i++)
            {
                using CancellationTokenSource source = new();
                Task<LoopSocket> cancelled = listener.AcceptAsync(loop, source.Token);
                Task<LoopSocket> other = listener.AcceptAsync(loop);
                await source.CancelAsync();
                using Socket caller = Call(listener);
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
                await using LoopSocket server = await other;
                Assert.Equal(caller.LocalEndPoint, server.RemoteEndPoint);
            }
        });
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Dispose_ends_the_accepts_that_wait_and_closes_the_descriptor(bool onLoop)
    {
        int before = Descriptors.CountBefore();
        await using (EventLoop loop = EventLoop.Start())
        {
            Listener listener = Listen();
            EndPoint address = listener.LocalEndPoint;
            await loop.DoAsync(onLoop, async () =>
            {
                Task<LoopSocket> accept = listener.AcceptAsync(loop);
                listener.Dispose();
                await Assert.ThrowsAsync<ObjectDisposedException>(() => accept);
                Assert.Throws<ObjectDisposedException>(() => { _ = listener.AcceptAsync(loop); });
                Assert.Equal(Errno.ConnectionRefused, (await Assert.ThrowsAsync<SystemCallException>(() => LoopSocket.ConnectAsync(loop, address))).Errno);
            });
        }
        Descriptors.WaitFor(before);
    }

    [Fact(Timeout = Limit)]
    public async Task A_listener_that_does_not_listen_says_so_and_may_listen_later()
    {
        await using EventLoop loop = EventLoop.Start();
        using Listener listener = Listener.Bind(new IPEndPoint(IPAddress.Loopback, 0), new ListenerOptions());
        Assert.Equal(Errno.InvalidArgument, (await Assert.ThrowsAsync<SystemCallException>(() => listener.AcceptAsync(loop).Within())).Errno);
        listener.Listen(1);
        Task<LoopSocket> accept = listener.AcceptAsync(loop);
        using Socket caller = Call(listener);
        await (await accept.Within()).DisposeAsync();
    }

    [Theory(Timeout = Limit)]
    [InlineData(Errno.ConnectionAborted)]
    [InlineData(Errno.ProcessDescriptorLimit)]
    [InlineData(Errno.NoMemory)]
    public async Task An_error_that_passes_is_waited_out(Errno error)
    {
        int failures = 0;
        await using EventLoop loop = EventLoop.Start();
        using Listener listener = Listener.Bind(new IPEndPoint(IPAddress.Loopback, 0), new ListenerOptions(), (int descriptor, ref NativeAddress peer) =>
            failures++ < 2 ? CallResult.Failure(error) : SocketCalls.Accept(descriptor, ref peer));
        listener.Listen(1);
        Task<LoopSocket> accept = listener.AcceptAsync(loop);
        using Socket caller = Call(listener);
        await (await accept.Within()).DisposeAsync();
        Assert.Equal(3, failures);
    }

    [Fact(Timeout = Limit)]
    public async Task During_a_shortage_an_accept_can_be_cancelled_and_the_loop_rests()
    {
        int calls = 0;
        await using EventLoop loop = EventLoop.Start();
        using CancellationTokenSource source = new();
        var failed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using Listener listener = Listener.Bind(new IPEndPoint(IPAddress.Loopback, 0), new ListenerOptions(), (int _, ref NativeAddress _) =>
        {
            calls++;
            failed.TrySetResult();
            return CallResult.Failure(Errno.SystemDescriptorLimit);
        });
        listener.Listen(1);
        Task<LoopSocket> accept = listener.AcceptAsync(loop, source.Token);
        using Socket caller = Call(listener);
        await failed.Task.Within();
        await loop.InvokeAsync(() => 0).Within();
        await Task.Delay(Waits.Glance, TestContext.Current.CancellationToken);
        // One call for each tenth of a second; without the pause there would be thousands.
        Assert.InRange(calls, 1, 100);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => accept.Within());
    }

    [Fact(Timeout = Limit)]
    public async Task An_error_that_nothing_mends_fails_all_accepts_that_wait()
    {
        await using EventLoop loop = EventLoop.Start();
        using Listener listener = Listener.Bind(new IPEndPoint(IPAddress.Loopback, 0), new ListenerOptions(), (int _, ref NativeAddress _) => CallResult.Failure(Errno.NotSocket));
        listener.Listen(1);
        Task<LoopSocket>[] accepts = [listener.AcceptAsync(loop), listener.AcceptAsync(loop)];
        using Socket caller = Call(listener);
        foreach (Task<LoopSocket> accept in accepts)
        {
            SystemCallException exception = await Assert.ThrowsAsync<SystemCallException>(() => accept.Within());
            Assert.Equal(("accept4", Errno.NotSocket), (exception.Call, exception.Errno));
        }
    }

    private static Listener Listen()
    {
        Listener listener = Listener.Bind(new IPEndPoint(IPAddress.Loopback, 0), new ListenerOptions());
        listener.Listen(64);
        return listener;
    }

    private static Socket Call(Listener listener)
    {
        Socket caller = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        caller.Connect(listener.LocalEndPoint);
        return caller;
    }
}
