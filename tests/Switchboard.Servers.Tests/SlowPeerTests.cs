using Switchboard.Linux;

namespace Switchboard.Servers.Tests;

/// <summary>Peers who take little, nothing, or what comes in pieces: they get every byte or an end with its reason, and
/// nobody else notices.</summary>
public sealed class SlowPeerTests
{
    private const int Limit = 120_000;

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Writes_of_every_size_arrive_whole_however_little_the_kernel_takes_of_each(Model model)
    {
        const int largest = 6000;
        byte[] pattern = Sizes.Pattern(largest);
        int waited = 0;
        await using var call = new OneCall<bool>(model.Make(), async (connection, stop) =>
        {
            // So little room that the kernel takes a part of most writes, of every length in the course of them.
            SocketCalls.SetOption(((StreamTransport)connection.Transport).Descriptor, SocketCallOption.SendBuffer, 1);
            for (int size = 1; size <= largest; size++)
            {
                ValueTask write = connection.WriteAsync(pattern.AsMemory(0, size), stop);
                waited += write.IsCompleted ? 0 : 1;
                await write;
            }
            return true;
        });
        using Caller caller = await call.CallAsync(receiveBuffer: 4096);
        for (int size = 1; size <= largest; size++)
        {
            byte[] received = await caller.ReadAsync(size);
            Assert.True(pattern.AsSpan(0, size).SequenceEqual(received), $"The write of {size} bytes came out of order.");
        }
        Assert.True(await call.Result);
        Assert.True(waited > largest / 10, $"Only {waited} writes did not fit at once.");
        Assert.Equal((long)largest * (largest + 1) / 2, (await call.End).Sent);
    }

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.Together), MemberType = typeof(Models))]
    public async Task A_peer_that_never_reads_is_ended_with_its_reason_and_nobody_else_waits_for_it(Model model)
    {
        byte[] much = Sizes.Pattern(Sizes.MoreThanBuffered);
        var writing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var limits = new ConnectionLimits { WriteStall = TimeSpan.FromMilliseconds(300), PendingSend = 1000 };
        await using var calls = new WatchedCalls(async (connection, stop) =>
        {
            if ((await connection.ReadMessageAsync(Framing.Line, stop))!.Value.Length > 0)
            {
                await LineEcho.ServeAsync(connection, stop);
                return;
            }
            Task write = connection.WriteAsync(much, stop).AsTask();
            Assert.False(write.IsCompleted);
            Assert.True(connection.TrySend(new byte[1000]));
            Assert.False(connection.TrySend(new byte[1]), "More waits than the limit allows.");
            writing.SetResult();
            await write;
        }, limits, model.Make());
        using Caller deaf = await calls.CallAsync(receiveBuffer: 4096);
        using Caller other = await calls.CallAsync();
        await deaf.SendAsync("\n");
        await writing.Task.InTime();
        await other.SendAsync("talk\n");
        Task<(Connection Connection, ConnectionEnd End)> ended = calls.Ends.NextAsync();
        int rounds = 0;
        for (; !ended.IsCompleted; rounds++)
        {
            await other.SayAsync($"{rounds}");
        }
        Assert.Equal(ConnectionEndReason.WriteStalled, (await ended).End.Reason);
        Assert.True(rounds > 1, "The other waited for the deaf one.");
        await other.SayAsync("still here");
    }

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.Together), MemberType = typeof(Models))]
    public async Task A_peer_that_does_not_read_is_not_read_from_and_what_waits_for_it_is_bounded(Model model)
    {
        const int total = 64 * 1024 * 1024;
        byte[] chunk = Sizes.Pattern(256 * 1024);
        Connection? connection = null;
        await using var call = new OneCall<bool>(model.Make(), async (its, stop) =>
        {
            connection = its;
            await foreach (ReadOnlyMemory<byte> packet in its.ReadMessagesAsync(Framing.Packet, stop))
            {
                await its.WriteAsync(packet, stop);
            }
            return true;
        });
        using Caller caller = await call.CallAsync(receiveBuffer: 4096);
        long sent = 0;
        async Task SendAllAsync()
        {
            while (sent < total)
            {
                await caller.SendAsync(chunk);
                Volatile.Write(ref sent, sent + chunk.Length);
            }
            caller.CloseOutput();
        }
        Task sending = SendAllAsync();
        await UntilStillAsync(() => Volatile.Read(ref sent));
        Assert.False(sending.IsCompleted, "The server took all of it although nobody read the answers.");
        // Counted on the loop; what one read brought is all that the server holds.
        long pending = connection!.Transport.Received - connection.Transport.Sent;
        Assert.InRange(pending, 1, 128 * 1024);
        for (int left = total; left > 0; left -= chunk.Length)
        {
            Assert.Equal(chunk, await caller.ReadAsync(chunk.Length));
        }
        await sending.InTime();
        Assert.True(await call.Result);
    }

    /// <summary>Waits until a count does not change any more; a pause of the machine can only make the test pass.</summary>
    private static async Task UntilStillAsync(Func<long> count)
    {
        long before;
        do
        {
            before = count();
            await Task.Delay(300);
        }
        while (count() != before);
    }
}
