using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

#pragma warning disable xUnit1051 // Which of these calls get a token is what the tests are about; all of them have a limit of time.

namespace Switchboard.Polling.Tests;

/// <summary>Datagram sockets of a loop, used from its thread and from another.</summary>
[Collection(nameof(DescriptorNumbers))]
public sealed class LoopDatagramTests : IDisposable
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
    public async Task Datagrams_arrive_one_by_one_with_their_sender_who_can_be_answered(string kind, bool onLoop)
    {
        int before = Descriptors.CountBefore();
        await using (EventLoop loop = EventLoop.Start())
        {
            await loop.DoAsync(onLoop, async () =>
            {
                await using LoopDatagramSocket first = LoopDatagramSocket.Bind(loop, _addresses.Free(kind));
                await using LoopDatagramSocket second = LoopDatagramSocket.Bind(loop, _addresses.Free(kind));
                byte[] buffer = new byte[100];
                Task<ReceivedDatagram> waiting = second.ReceiveFromAsync(buffer).AsTask();
                await first.SendToAsync("one"u8.ToArray(), second.LocalEndPoint!);
                await AssertReceived(waiting, "one");
                foreach (string text in (string[])["two", "", "three"])
                {
                    await first.SendToAsync(System.Text.Encoding.ASCII.GetBytes(text), second.LocalEndPoint!);
                }
                foreach (string text in (string[])["two", "", "three"])
                {
                    await AssertReceived(second.ReceiveFromAsync(buffer).AsTask(), text);
                }
                Assert.Equal(onLoop, loop.IsCurrent);

                async Task AssertReceived(Task<ReceivedDatagram> receiving, string text)
                {
                    ReceivedDatagram datagram = await receiving;
                    Assert.Equal(text, System.Text.Encoding.ASCII.GetString(buffer, 0, datagram.Count));
                    Assert.Equal((text.Length, false), (datagram.OriginalLength, datagram.IsTruncated));
                    Assert.Equal(first.LocalEndPoint!.ToString(), datagram.SenderEndPoint!.ToString());
                    await second.SendToAsync("back"u8.ToArray(), datagram.Sender);
                    ReceivedDatagram answer = await first.ReceiveFromAsync(new byte[4]);
                    Assert.Equal((4, second.LocalEndPoint!.ToString()), (answer.Count, answer.SenderEndPoint!.ToString()));
                    Assert.Equal(answer.Sender, NativeAddress.From(second.LocalEndPoint!));
                    Assert.NotEqual(answer.Sender, datagram.Sender);
                }
            });
        }
        Descriptors.WaitFor(before);
    }

    [Theory(Timeout = Limit)]
    [InlineData(LoopAddresses.IPv4)]
    [InlineData(LoopAddresses.Unix)]
    public async Task What_does_not_fit_is_lost_and_said_so(string kind)
    {
        await using EventLoop loop = EventLoop.Start();
        await using LoopDatagramSocket receiver = LoopDatagramSocket.Bind(loop, _addresses.Free(kind));
        await using LoopDatagramSocket sender = LoopDatagramSocket.Create(loop, receiver.LocalEndPoint!.AddressFamily);
        await sender.SendToAsync("too long"u8.ToArray(), receiver.LocalEndPoint).Within();
        await sender.SendToAsync("next"u8.ToArray(), receiver.LocalEndPoint).Within();
        byte[] buffer = new byte[3];
        ReceivedDatagram datagram = await receiver.ReceiveFromAsync(buffer).Within();
        Assert.Equal((3, 8, true), (datagram.Count, datagram.OriginalLength, datagram.IsTruncated));
        Assert.Equal("too"u8, buffer);
        // An unnamed Unix socket can't be answered.
        Assert.Equal(kind == LoopAddresses.Unix, datagram.SenderEndPoint is null);
        Assert.Equal(4, (await receiver.ReceiveFromAsync(new byte[10]).Within()).Count);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_cancelled_receive_takes_no_datagram(bool onLoop)
    {
        await using EventLoop loop = EventLoop.Start();
        await loop.DoAsync(onLoop, async () =>
        {
            await using LoopDatagramSocket receiver = LoopDatagramSocket.Bind(loop, _addresses.Free(LoopAddresses.IPv4));
            await using LoopDatagramSocket sender = LoopDatagramSocket.Connect(loop, receiver.LocalEndPoint!);
            for (byte i = 0; i < 100; i++)
            {
                byte[] buffer = new byte[1];
                using CancellationTokenSource source = new();
                Task<ReceivedDatagram> receive = receiver.ReceiveFromAsync(buffer, source.Token).AsTask();
                await source.CancelAsync();
                await sender.SendAsync(new[] { i });
                Assert.Equal(source.Token, (await Assert.ThrowsAnyAsync<OperationCanceledException>(() => receive)).CancellationToken);
                Assert.Equal(1, (await receiver.ReceiveFromAsync(buffer)).Count);
                Assert.Equal(i, buffer[0]);
            }
        });
    }

    [Fact(Timeout = Limit)]
    public async Task A_second_receive_is_refused_while_one_is_pending()
    {
        await using EventLoop loop = EventLoop.Start();
        await using LoopDatagramSocket socket = LoopDatagramSocket.Bind(loop, _addresses.Free(LoopAddresses.IPv4));
        Task<ReceivedDatagram> first = socket.ReceiveFromAsync(new byte[1]).AsTask();
        Assert.Throws<InvalidOperationException>(() => { _ = socket.ReceiveFromAsync(new byte[1]).AsTask(); });
        await socket.SendToAsync(new byte[1], socket.LocalEndPoint!).Within();
        Assert.Equal(1, (await first.Within()).Count);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Errors_name_the_receiver_and_the_socket_stays_usable(bool onLoop)
    {
        await using EventLoop loop = EventLoop.Start();
        await loop.DoAsync(onLoop, async () =>
        {
            await using LoopDatagramSocket unix = LoopDatagramSocket.Bind(loop, _addresses.Free(LoopAddresses.Unix));
            await using LoopDatagramSocket udp = LoopDatagramSocket.Bind(loop, _addresses.Free(LoopAddresses.IPv4));
            EndPoint nobody = _addresses.Free(LoopAddresses.Unix);
            await AssertFails(Errno.NoEntry, nobody.ToString()!, () => unix.SendToAsync(new byte[1], nobody));
            await AssertFails(Errno.MessageSize, udp.LocalEndPoint!.ToString()!, () => udp.SendToAsync(new byte[70_000], udp.LocalEndPoint));
            await AssertFails(Errno.DestinationRequired, "", () => udp.SendAsync(new byte[1]));
            SystemCallException refused = Assert.Throws<SystemCallException>(() => LoopDatagramSocket.Connect(loop, nobody));
            Assert.Equal(("connect", Errno.NoEntry), (refused.Call, refused.Errno));
            foreach (LoopDatagramSocket socket in (LoopDatagramSocket[])[unix, udp])
            {
                await socket.SendToAsync(new byte[1], socket.LocalEndPoint!);
                Assert.Equal(1, (await socket.ReceiveFromAsync(new byte[1])).Count);
            }

            static async Task AssertFails(Errno errno, string address, Func<ValueTask> send)
            {
                SystemCallException exception = await Assert.ThrowsAsync<SystemCallException>(async () => await send());
                Assert.Equal(errno, exception.Errno);
                Assert.Contains(address, exception.Message, StringComparison.Ordinal);
            }
        });
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connected_socket_learns_that_nobody_is_there_and_stays_usable(bool onLoop)
    {
        await using EventLoop loop = EventLoop.Start();
        await loop.DoAsync(onLoop, async () =>
        {
            LoopDatagramSocket gone = LoopDatagramSocket.Bind(loop, _addresses.Free(LoopAddresses.IPv4));
            EndPoint address = gone.LocalEndPoint!;
            await gone.DisposeAsync();
            await using LoopDatagramSocket sender = LoopDatagramSocket.Connect(loop, address);
            Task<ReceivedDatagram> receive = sender.ReceiveFromAsync(new byte[1]).AsTask();
            await sender.SendAsync(new byte[1]);
            Assert.Equal(Errno.ConnectionRefused, (await Assert.ThrowsAsync<SystemCallException>(() => receive)).Errno);
            await using LoopDatagramSocket back = LoopDatagramSocket.Bind(loop, address);
            await sender.SendAsync(new byte[1]);
            ReceivedDatagram datagram = await back.ReceiveFromAsync(new byte[1]);
            await back.SendToAsync(new byte[1], datagram.Sender);
            Assert.Equal(1, (await sender.ReceiveFromAsync(new byte[1])).Count);
        });
    }

    [Theory(Timeout = Limit)]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Sends_to_a_full_receiver_wait_in_order_and_hold_up_nobody_else(bool connected, bool onLoop)
    {
        const int More = 50;
        await using EventLoop loop = EventLoop.Start();
        await loop.DoAsync(onLoop, async () =>
        {
            await using LoopDatagramSocket slow = LoopDatagramSocket.Bind(loop, _addresses.Free(LoopAddresses.Unix));
            await using LoopDatagramSocket other = LoopDatagramSocket.Bind(loop, _addresses.Free(LoopAddresses.Unix));
            await using LoopDatagramSocket sender = connected ? LoopDatagramSocket.Connect(loop, slow.LocalEndPoint!) : LoopDatagramSocket.Create(loop, AddressFamily.Unix);
            NativeAddress address = NativeAddress.From(slow.LocalEndPoint!);
            int sent = 0;
            Task last;
            while ((last = Send(sent++, default).AsTask()).IsCompletedSuccessfully)
            {
                Assert.True(sent < 100_000, "The receiver is never full.");
            }
            Task[] waiting = [last, .. Enumerable.Range(0, More).Select(_ => Send(sent++, default).AsTask())];
            using CancellationTokenSource source = new();
            Task cancelled = Send(-1, source.Token).AsTask();
            await source.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
            if (!connected)
            {
                await sender.SendToAsync(new byte[1], other.LocalEndPoint!);
                Assert.Equal(1, (await other.ReceiveFromAsync(new byte[1])).Count);
            }
            Assert.All(waiting, send => Assert.False(send.IsCompleted));

            byte[] buffer = new byte[4];
            for (int i = 0; i < sent; i++)
            {
                await slow.ReceiveFromAsync(buffer);
                Assert.Equal(i, BitConverter.ToInt32(buffer));
            }
            await Task.WhenAll(waiting);
            // Nothing of it is left: the next one is sent at once.
            Assert.True(Send(7, default).AsTask().IsCompletedSuccessfully);

            ValueTask Send(int number, CancellationToken token) => connected
                ? sender.SendAsync(BitConverter.GetBytes(number), token)
                : sender.SendToAsync(BitConverter.GetBytes(number), address, token);
        });
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Dispose_fails_what_is_pending_and_removes_the_file(bool onLoop)
    {
        int before = Descriptors.CountBefore();
        await using (EventLoop loop = EventLoop.Start())
        {
            await loop.DoAsync(onLoop, async () =>
            {
                EndPoint address = _addresses.Free(LoopAddresses.Unix);
                LoopDatagramSocket receiver = LoopDatagramSocket.Bind(loop, address);
                LoopDatagramSocket sender = LoopDatagramSocket.Create(loop, AddressFamily.Unix);
                Task<ReceivedDatagram> receive = sender.ReceiveFromAsync(new byte[1]).AsTask();
                Task send;
                while ((send = sender.SendToAsync(new byte[1], address).AsTask()).IsCompletedSuccessfully)
                {
                }
                sender.Dispose();
                await Assert.ThrowsAsync<ObjectDisposedException>(() => receive);
                await Assert.ThrowsAsync<ObjectDisposedException>(() => send);
                await Assert.ThrowsAsync<ObjectDisposedException>(async () => await sender.SendToAsync(new byte[1], address));
                await Assert.ThrowsAsync<ObjectDisposedException>(async () => await sender.ReceiveFromAsync(new byte[1]));
                Assert.True(File.Exists(BoundSocket.FileOf(address)));
                await receiver.DisposeAsync();
                await receiver.DisposeAsync();
                Assert.False(File.Exists(BoundSocket.FileOf(address)));
                Assert.Throws<ObjectDisposedException>(() => receiver.LocalEndPoint);
            });
        }
        Descriptors.WaitFor(before);
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_pending_when_the_loop_ends_is_cancelled_and_so_is_what_comes_later()
    {
        int before = Descriptors.CountBefore();
        EventLoop loop = EventLoop.Start();
        EndPoint address = _addresses.Free(LoopAddresses.Unix);
        LoopDatagramSocket receiver = LoopDatagramSocket.Bind(loop, address);
        LoopDatagramSocket sender = LoopDatagramSocket.Create(loop, AddressFamily.Unix);
        LoopDatagramSocket idle = LoopDatagramSocket.Create(loop, AddressFamily.InterNetwork);
        List<Task> pending = [sender.ReceiveFromAsync(new byte[1]).AsTask()];
        Task send;
        while ((send = sender.SendToAsync(new byte[1], address).AsTask()).IsCompletedSuccessfully)
        {
        }
        pending.Add(send);
        await loop.InvokeAsync(() => 0).Within();
        Assert.All(pending, task => Assert.False(task.IsCompleted));
        await loop.DisposeAsync();
        pending.Add(sender.SendToAsync(new byte[1], address).AsTask());
        pending.Add(sender.ReceiveFromAsync(new byte[1]).AsTask());
        pending.Add(idle.ReceiveFromAsync(new byte[1]).AsTask());
        foreach (Task task in pending)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => task.Within());
        }
        sender.Dispose();
        receiver.Dispose();
        idle.Dispose();
        Descriptors.WaitFor(before);
    }

    [Theory(Timeout = Limit), EverySelector]
    public async Task Receiving_and_sending_allocate_nothing_once_they_are_warm(string selector)
    {
        const int Count = 2000;
        await using EventLoop loop = EventLoop.Start(selector: EverySelectorAttribute.Make(selector));
        await using LoopDatagramSocket receiver = LoopDatagramSocket.Bind(loop, _addresses.Free(LoopAddresses.IPv4));
        await using LoopDatagramSocket sender = LoopDatagramSocket.Bind(loop, _addresses.Free(LoopAddresses.IPv4));
        NativeAddress address = NativeAddress.From(receiver.LocalEndPoint!);
        byte[] buffer = new byte[100];
        Task answering = loop.InvokeAsync(async () =>
        {
            byte[] mine = new byte[100];
            while (true)
            {
                ReceivedDatagram datagram = await receiver.ReceiveFromAsync(mine);
                if (datagram.Count == 0)
                {
                    return;
                }
                await receiver.SendToAsync(mine.AsMemory(0, datagram.Count), datagram.Sender);
            }
        });
        long allocated = await loop.InvokeAsync(async () =>
        {
            await TalkAsync();
            long begun = GC.GetAllocatedBytesForCurrentThread();
            await TalkAsync();
            return GC.GetAllocatedBytesForCurrentThread() - begun;
        }).Within();
        await sender.SendToAsync(Array.Empty<byte>(), address).Within();
        await answering.Within();
        // The method itself, and what the runtime's own tiers of compilation leave.
        Assert.True(allocated < Count, $"{allocated} bytes were allocated for {Count} round trips.");

        async Task TalkAsync()
        {
            for (int i = 0; i < Count; i++)
            {
                await sender.SendToAsync(buffer.AsMemory(0, 32), address);
                await sender.ReceiveFromAsync(buffer);
            }
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Who_always_has_datagrams_leaves_the_others_of_the_loop_their_turn()
    {
        await using EventLoop loop = EventLoop.Start();
        await using LoopDatagramSocket socket = LoopDatagramSocket.Bind(loop, _addresses.Free(LoopAddresses.IPv4));
        bool over = false;
        Task talking = loop.InvokeAsync(async () =>
        {
            byte[] buffer = new byte[16];
            NativeAddress self = NativeAddress.From(socket.LocalEndPoint!);
            while (!Volatile.Read(ref over))
            {
                // There are always two, so no receive ever has to wait.
                await socket.SendToAsync(buffer, self);
                await socket.SendToAsync(buffer, self);
                await socket.ReceiveFromAsync(buffer);
            }
        });
        for (int i = 0; i < 100; i++)
        {
            await loop.InvokeAsync(() => 0).Within();
        }
        Volatile.Write(ref over, true);
        await talking.Within();
    }

    [Fact(Timeout = Limit)]
    public async Task Two_sockets_do_not_share_a_port_unawares()
    {
        await using EventLoop loop = EventLoop.Start();
        await using LoopDatagramSocket first = LoopDatagramSocket.Bind(loop, _addresses.Free(LoopAddresses.IPv4));
        Assert.Throws<AddressInUseException>(() => LoopDatagramSocket.Bind(loop, first.LocalEndPoint!));
    }
}
