using System.Net;
using System.Security.Cryptography;
using Switchboard.Linux;

#pragma warning disable xUnit1051 // Which of these calls get a token is what the tests are about; all of them have a limit of time.

namespace Switchboard.Polling.Tests;

/// <summary>Stream sockets of a loop, used from its thread and from another: what connects, accepts, reads and writes.</summary>
[Collection(nameof(DescriptorNumbers))]
public sealed class LoopConnectionTests : IDisposable
{
    private const int Limit = 120_000;

    private readonly LoopAddresses _addresses = new();

    public void Dispose() => _addresses.Dispose();

    [Theory(Timeout = Limit)]
    [InlineData(LoopAddresses.IPv4, true)]
    [InlineData(LoopAddresses.IPv4, false)]
    [InlineData(LoopAddresses.IPv6, true)]
    [InlineData(LoopAddresses.IPv6, false)]
    [InlineData(LoopAddresses.Unix, true)]
    [InlineData(LoopAddresses.Unix, false)]
    [InlineData(LoopAddresses.Abstract, true)]
    [InlineData(LoopAddresses.Abstract, false)]
    public async Task A_connection_is_made_and_carries_bytes_both_ways_to_the_end(string kind, bool onLoop)
    {
        int before = Descriptors.CountBefore();
        await using (EventLoop loop = EventLoop.Start())
        {
            using Listener listener = Listen(kind);
            await loop.DoAsync(onLoop, async () =>
            {
                Task<LoopSocket> accepting = listener.AcceptAsync(loop);
                await using LoopSocket client = await LoopSocket.ConnectAsync(loop, listener.LocalEndPoint);
                await using LoopSocket server = await accepting;
                Assert.Equal(onLoop, loop.IsCurrent);
                Assert.Same(loop, server.Loop);
                Assert.Equal(listener.LocalEndPoint.ToString(), client.RemoteEndPoint!.ToString());
                Assert.Equal(listener.LocalEndPoint.ToString(), server.LocalEndPoint!.ToString());
                Assert.Equal(client.LocalEndPoint?.ToString(), server.RemoteEndPoint?.ToString());
                byte[] buffer = new byte[16];
                await client.WriteAsync("ping"u8.ToArray());
                Assert.Equal(4, await server.ReadAsync(buffer));
                await server.WriteAsync("pong!"u8.ToArray());
                Assert.Equal(5, await client.ReadAsync(buffer));
                Assert.Equal("pong!"u8, buffer.AsSpan(0, 5));
                await client.CloseOutputAsync();
                Assert.Equal(0, await server.ReadAsync(buffer));
                Assert.True(server.EndOfInput);
                await server.WriteAsync("bye"u8.ToArray());
                Assert.Equal(3, await client.ReadAsync(buffer));
            });
        }
        Descriptors.WaitFor(before);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Many_bytes_arrive_in_order_while_the_other_side_is_slow_to_take_them(bool onLoop)
    {
        byte[] sent = RandomNumberGenerator.GetBytes(4 * 1024 * 1024);
        byte[] received = new byte[sent.Length];
        await using EventLoop loop = EventLoop.Start();
        await loop.DoAsync(onLoop, async () =>
        {
            (LoopSocket first, LoopSocket second) = LoopSocket.CreatePair(loop);
            await using (first)
            await using (second)
            {
                Task writing = WriteAsync();
                int count = 0;
                while (await second.ReadAsync(received.AsMemory(count, Math.Min(10_000, received.Length - count))) is > 0 and var read)
                {
                    count += read;
                }
                await writing;
                Assert.Equal(sent.Length, count);
                Assert.Equal(sent.Length, second.Received);
                Assert.True(received.AsSpan().SequenceEqual(sent));

                async Task WriteAsync()
                {
                    int at = 0;
                    foreach (int piece in (int[])[1, 100_000, 3, sent.Length - 100_004])
                    {
                        await first.WriteAsync(sent.AsMemory(at, piece));
                        at += piece;
                    }
                    await first.CloseOutputAsync();
                }
            }
        });
    }

    [Fact(Timeout = Limit)]
    public async Task Connections_of_one_loop_may_be_used_by_many_threads_at_once()
    {
        const int Threads = 8;
        const int Rounds = 200;
        await using EventLoop loop = EventLoop.Start();
        using Listener listener = Listen(LoopAddresses.IPv4);
        Task echo = loop.InvokeAsync(async () =>
        {
            var calls = new List<Task>();
            for (int i = 0; i < Threads; i++)
            {
                calls.Add(EchoAsync(await listener.AcceptAsync(loop)));
            }
            await Task.WhenAll(calls);
        });
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(number => new Thread(() => TalkAsync(number).GetAwaiter().GetResult()))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.JoinOrFail());
        await echo.Within();

        async Task TalkAsync(int number)
        {
            await using LoopSocket socket = await LoopSocket.ConnectAsync(loop, listener.LocalEndPoint).Within();
            byte[] message = new byte[64];
            byte[] answer = new byte[64];
            for (int i = 0; i < Rounds; i++)
            {
                message.AsSpan().Fill((byte)(number + i));
                await socket.WriteAsync(message).Within();
                for (int count = 0; count < 64; count += await socket.ReadAsync(answer.AsMemory(count)).Within())
                {
                }
                Assert.Equal(message, answer);
            }
        }

        static async Task EchoAsync(LoopSocket socket)
        {
            using (socket)
            {
                byte[] buffer = new byte[4096];
                while (await socket.ReadAsync(buffer) is > 0 and var count)
                {
                    await socket.WriteAsync(buffer.AsMemory(0, count));
                }
            }
        }
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_cancelled_read_takes_no_byte_and_the_socket_goes_on(bool onLoop)
    {
        await using EventLoop loop = EventLoop.Start();
        await loop.DoAsync(onLoop, async () =>
        {
            (LoopSocket first, LoopSocket second) = LoopSocket.CreatePair(loop);
            await using (first)
            await using (second)
            {
                byte[] buffer = new byte[16];
                using CancellationTokenSource source = new();
                Task<int> read = second.ReadAsync(buffer, source.Token).AsTask();
                Assert.False(read.IsCompleted);
                await source.CancelAsync();
                Assert.Equal(source.Token, (await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read)).CancellationToken);
                await first.WriteAsync("still"u8.ToArray());
                Assert.Equal(5, await second.ReadAsync(buffer));
                await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await second.ReadAsync(buffer, source.Token));
            }
        });
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Dispose_fails_what_is_pending_and_the_peer_reads_the_end(bool onLoop)
    {
        int before = Descriptors.CountBefore();
        await using (EventLoop loop = EventLoop.Start())
        {
            await loop.DoAsync(onLoop, async () =>
            {
                (LoopSocket first, LoopSocket second) = LoopSocket.CreatePair(loop);
                Task<int> read = first.ReadAsync(new byte[1]).AsTask();
                Task write = first.WriteAsync(new byte[8 * 1024 * 1024]).AsTask();
                Assert.False(read.IsCompleted || write.IsCompleted);
                first.Dispose();
                await Assert.ThrowsAsync<ObjectDisposedException>(() => read);
                await Assert.ThrowsAsync<ObjectDisposedException>(() => write);
                await Assert.ThrowsAsync<ObjectDisposedException>(async () => await first.ReadAsync(new byte[1]));
                await first.DisposeAsync();
                Assert.Null(first.LocalEndPoint);
                byte[] buffer = new byte[1024 * 1024];
                while (await second.ReadAsync(buffer) > 0)
                {
                }
                await second.DisposeAsync();
            });
        }
        Descriptors.WaitFor(before);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_peers_reset_is_the_kernels_answer(bool onLoop)
    {
        await using EventLoop loop = EventLoop.Start();
        using Listener listener = Listen(LoopAddresses.IPv4);
        await loop.DoAsync(onLoop, async () =>
        {
            Task<LoopSocket> accepting = listener.AcceptAsync(loop);
            LoopSocket client = await LoopSocket.ConnectAsync(loop, listener.LocalEndPoint);
            await using LoopSocket server = await accepting;
            Task<int> read = server.ReadAsync(new byte[1]).AsTask();
            SocketCalls.ResetOnClose(client.Handle.Number).OrThrow("setsockopt");
            await client.DisposeAsync();
            Assert.Equal(Errno.ConnectionReset, (await Assert.ThrowsAsync<SystemCallException>(() => read)).Errno);
        });
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_can_not_be_reached_is_an_error_that_names_the_address(bool onLoop)
    {
        int before = Descriptors.CountBefore();
        await using (EventLoop loop = EventLoop.Start())
        {
            using Listener deaf = Listener.Bind(_addresses.Free(LoopAddresses.IPv4), new ListenerOptions());
            using Listener deafFile = Listener.Bind(_addresses.Free(LoopAddresses.Unix), new ListenerOptions());
            (EndPoint Address, Errno[] Errors)[] cases =
            [
                (deaf.LocalEndPoint, [Errno.ConnectionRefused]),
                (deafFile.LocalEndPoint, [Errno.ConnectionRefused]),
                (_addresses.Free(LoopAddresses.Unix), [Errno.NoEntry]),
                (_addresses.Free(LoopAddresses.Abstract), [Errno.ConnectionRefused]),
                (new IPEndPoint(IPAddress.Broadcast, 9), [Errno.NetworkUnreachable, Errno.AccessDenied]),
            ];
            await loop.DoAsync(onLoop, async () =>
            {
                foreach ((EndPoint address, Errno[] errors) in cases)
                {
                    SystemCallException exception = await Assert.ThrowsAsync<SystemCallException>(() => LoopSocket.ConnectAsync(loop, address));
                    Assert.Contains(exception.Errno, errors);
                    Assert.Equal("connect", exception.Call);
                    Assert.Contains(address.ToString()!, exception.Message, StringComparison.Ordinal);
                }
                await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => LoopSocket.ConnectAsync(loop, new DnsEndPoint("localhost", 80)));
            });
        }
        Descriptors.WaitFor(before);
    }

    [Theory(Timeout = Limit)]
    [InlineData(LoopAddresses.IPv4, true)]
    [InlineData(LoopAddresses.IPv4, false)]
    [InlineData(LoopAddresses.Unix, true)]
    [InlineData(LoopAddresses.Unix, false)]
    public async Task A_full_backlog_is_waited_for_and_cancelling_closes_the_descriptor(string kind, bool onLoop)
    {
        int before = Descriptors.CountBefore();
        await using (EventLoop loop = EventLoop.Start())
        {
            using Listener listener = Listener.Bind(_addresses.Free(kind), new ListenerOptions());
            listener.Listen(0);
            await loop.DoAsync(onLoop, async () =>
            {
                // A backlog of none has room for one.
                await using LoopSocket first = await LoopSocket.ConnectAsync(loop, listener.LocalEndPoint);
                using CancellationTokenSource source = new();
                Task<LoopSocket> waiting = LoopSocket.ConnectAsync(loop, listener.LocalEndPoint, source.Token);
                await Task.Delay(Waits.Glance);
                Assert.False(waiting.IsCompleted);
                int open = Descriptors.Count();
                await source.CancelAsync();
                Assert.Equal(source.Token, (await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting)).CancellationToken);
                Assert.True(waiting.IsCanceled);
                Descriptors.WaitFor(open - 1);

                waiting = LoopSocket.ConnectAsync(loop, listener.LocalEndPoint);
                await using LoopSocket accepted = await listener.AcceptAsync(loop);
                await using LoopSocket second = await waiting;
            });
        }
        Descriptors.WaitFor(before);
    }

    [Fact(Timeout = Limit)]
    public async Task A_token_that_is_cancelled_before_makes_no_socket()
    {
        await using EventLoop loop = EventLoop.Start();
        using Listener listener = Listen(LoopAddresses.IPv4);
        var cancelled = new CancellationToken(canceled: true);
        Assert.True(LoopSocket.ConnectAsync(loop, listener.LocalEndPoint, cancelled).IsCanceled);
        Assert.True(listener.AcceptAsync(loop, cancelled).IsCanceled);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_is_pending_when_the_loop_ends_is_cancelled_and_so_is_what_comes_later(bool dispose)
    {
        int before = Descriptors.CountBefore();
        EventLoop loop = EventLoop.Start();
        Listener listener = Listen(LoopAddresses.IPv4);
        Listener full = Listener.Bind(_addresses.Free(LoopAddresses.Unix), new ListenerOptions());
        full.Listen(0);
        (LoopSocket first, LoopSocket second) = LoopSocket.CreatePair(loop);
        List<Task> pending =
        [
            first.ReadAsync(new byte[1]).AsTask(),
            first.WriteAsync(new byte[8 * 1024 * 1024]).AsTask(),
            listener.AcceptAsync(loop),
        ];
        LoopSocket connected = await LoopSocket.ConnectAsync(loop, full.LocalEndPoint).Within();
        pending.Add(LoopSocket.ConnectAsync(loop, full.LocalEndPoint));
        await loop.InvokeAsync(() => 0).Within();
        Assert.All(pending, task => Assert.False(task.IsCompleted));
        if (dispose)
        {
            await loop.DisposeAsync();
        }
        else
        {
            loop.Stop();
            await loop.Completion.Within();
        }
        pending.Add(first.ReadAsync(new byte[1]).AsTask());
        pending.Add(second.ReadAsync(new byte[1]).AsTask());
        pending.Add(connected.WriteAsync(new byte[8 * 1024 * 1024]).AsTask());
        pending.Add(listener.AcceptAsync(loop));
        pending.Add(LoopSocket.ConnectAsync(loop, listener.LocalEndPoint));
        foreach (Task task in pending)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => task.Within());
        }
        await loop.DisposeAsync();
        await first.DisposeAsync();
        await second.DisposeAsync();
        await connected.DisposeAsync();
        listener.Dispose();
        full.Dispose();
        Descriptors.WaitFor(before);
    }

    private Listener Listen(string kind)
    {
        Listener listener = Listener.Bind(_addresses.Free(kind), new ListenerOptions());
        listener.Listen(64);
        return listener;
    }
}
