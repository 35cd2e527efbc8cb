using System.Text;
using CsCheck;

namespace Switchboard.Servers.Tests;

public abstract partial class ContractTests
{
    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Concurrent_writes_go_out_whole_and_in_the_order_of_the_calls()
    {
        Gen<int> size = Gen.Frequency((6, Gen.Int[1, 2_000]), (3, Gen.Int[2_000, 200_000]), (1, Gen.Int[200_000, 3_000_000]));
        await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            // The caller says the sizes; all writes are begun before one is awaited.
            string text = Encoding.UTF8.GetString((await connection.ReadMessageAsync(Framing.Line, stop))!.Value.Span);
            int[] sizes = [.. text.Split(' ').Select(one => int.Parse(one, System.Globalization.CultureInfo.InvariantCulture))];
            await Task.WhenAll(sizes.Select((length, index) => connection.WriteAsync(Sizes.Pattern(length, index), stop).AsTask()));
        }, model, new ServerOptions { Tls = _certificates?.Options("localhost") });
        await server.StartAsync().InTime();
        await size.Array[1, 12].SampleAsync(async sizes =>
        {
            using Caller caller = await Caller.ConnectAsync(server, receiveBuffer: 16 * 1024);
            await caller.SecureAsync(_certificates);
            await caller.SendAsync(string.Join(' ', sizes) + "\n");
            byte[] expected = [.. sizes.SelectMany((length, index) => Sizes.Pattern(length, index))];
            Assert.Equal(expected, await caller.ReadToEndAsync());
        }, iter: 15, threads: 1);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_write_that_is_cancelled_before_its_first_byte_is_taken_back()
    {
        byte[] much = Sizes.Pattern(Sizes.MoreThanBuffered);
        var mayRead = new TaskCompletionSource();
        await using var call = Serve<bool>(async (connection, stop) =>
        {
            Task first = connection.WriteAsync(much, stop).AsTask();
            using var source = new CancellationTokenSource();
            Task second = connection.WriteAsync("never"u8.ToArray(), source.Token).AsTask();
            Task third = connection.WriteAsync("third"u8.ToArray(), stop).AsTask();
            await source.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
            Assert.False(first.IsCompleted);
            Assert.True(connection.TrySend("go"u8));
            mayRead.SetResult();
            await Task.WhenAll(first, third);
            return true;
        });
        using Caller caller = await call.CallAsync(receiveBuffer: 16 * 1024);
        await Task.WhenAny(mayRead.Task, call.Result);
        byte[] received = await caller.ReadToEndAsync();
        Assert.Equal(much, received[..much.Length]);
        Assert.Equal("thirdgo", Encoding.UTF8.GetString(received.AsSpan(much.Length)));
        Assert.True(await call.Result);
        Assert.Equal(ConnectionEndReason.HandlerReturned, (await call.End).Reason);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_write_that_is_cancelled_after_a_part_was_sent_ends_the_connection()
    {
        byte[] much = Sizes.Pattern(Sizes.MoreThanBuffered);
        await using var call = Serve<bool>(async (connection, stop) =>
        {
            Task<int> read = connection.ReadAsync(new byte[16], stop).AsTask();
            using var source = new CancellationTokenSource();
            Task write = connection.WriteAsync(much, source.Token).AsTask();
            await source.CancelAsync();
            var cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => write);
            Assert.Equal(source.Token, cancelled.CancellationToken);
            // The others learn why the connection is gone, not that somebody cancelled something.
            var ended = await Assert.ThrowsAsync<ConnectionEndedException>(() => read);
            Assert.Equal(ConnectionEndReason.Aborted, ended.Reason);
            Assert.Contains("cancelled", ended.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<ConnectionEndedException>(async () => await connection.WriteAsync("x"u8.ToArray(), stop));
            return true;
        });
        using Caller caller = await call.CallAsync(receiveBuffer: 16 * 1024);
        Assert.True(await call.Result);
        Assert.Equal(ConnectionEndReason.Aborted, (await call.End).Reason);
        byte[] received = await caller.ReadToEndAsync(mayBeTorn: overTls);
        Assert.True(received.Length < much.Length, "All of it arrived, so the write was not torn.");
        Assert.Equal(much[..received.Length], received);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_stop_does_not_tear_a_write_that_has_begun()
    {
        byte[] much = Sizes.Pattern(Sizes.MoreThanBuffered);
        var writing = new TaskCompletionSource();
        await using var call = Serve<bool>(async (connection, stop) =>
        {
            Task write = connection.WriteAsync(much, stop).AsTask();
            Assert.False(write.IsCompleted);
            writing.SetResult();
            await write;
            return true;
        });
        using Caller caller = await call.CallAsync(receiveBuffer: 16 * 1024);
        await writing.Task.InTime();
        Task stopped = call.Server.StopAsync(Deadline.Time);
        Assert.Equal(much, await caller.ReadToEndAsync());
        await stopped.InTime();
        Assert.True(await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_write_borrows_the_buffer_until_the_kernel_has_all_of_it()
    {
        byte[] much = Sizes.Pattern(Sizes.MoreThanBuffered);
        var go = new TaskCompletionSource();
        await using var call = Serve<bool>(async (connection, stop) =>
        {
            ValueTask write = connection.WriteAsync(much, stop);
            // Forbidden to users, and shown here: what is not sent yet is sent as it is now, so it was not copied.
            Array.Fill(much, (byte)0, much.Length - 1000, 1000);
            go.SetResult();
            await write;
            return true;
        });
        using Caller caller = await call.CallAsync(receiveBuffer: 16 * 1024);
        await go.Task.InTime();
        byte[] received = await caller.ReadToEndAsync();
        Assert.Equal(much, received);
        Assert.All(received[^1000..], last => Assert.Equal(0, last));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task TrySend_copies_until_the_limit_is_full_and_takes_all_of_a_message_or_nothing()
    {
        byte[] much = Sizes.Pattern(Sizes.MoreThanBuffered);
        var options = new ServerOptions { Limits = new ConnectionLimits { PendingSend = 1000 } };
        var mayRead = new TaskCompletionSource();
        await using var call = Serve<int>(async (connection, stop) =>
        {
            Task write = connection.WriteAsync(much, stop).AsTask();
            Assert.False(write.IsCompleted);
            var message = new byte[300];
            int taken = 0;
            for (int i = 1; i <= 5; i++)
            {
                Array.Fill(message, (byte)i);
                // Copied: the next message overwrites the array.
                taken += connection.TrySend(message) ? 1 : 0;
            }
            Assert.True(connection.TrySend(new byte[100]), "100 bytes are left of 1000.");
            Assert.False(connection.TrySend(new byte[1]));
            Assert.Equal((3, false), await Task.Run(() => (taken, connection.TrySend(new byte[1])), stop));
            mayRead.SetResult();
            await connection.WriteAsync("go"u8.ToArray(), stop);
            Assert.True(connection.TrySend(new byte[1000]), "All copies are out, so there is room again.");
            await write;
            return taken;
        }, options);
        using Caller caller = await call.CallAsync(receiveBuffer: 16 * 1024);
        await Task.WhenAny(mayRead.Task, call.Result);
        byte[] received = (await caller.ReadToEndAsync())[much.Length..];
        Assert.Equal(3, await call.Result);
        byte[] expected = [.. Enumerable.Range(1, 3).SelectMany(i => Enumerable.Repeat((byte)i, 300)), .. new byte[100], .. "go"u8, .. new byte[1000]];
        Assert.Equal(expected, received);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task TrySend_from_other_threads_keeps_each_message_whole_and_counts_what_waits()
    {
        byte[] much = Sizes.Pattern(Sizes.MoreThanBuffered);
        var mayRead = new TaskCompletionSource();
        await using var call = Serve<int>(async (connection, stop) =>
        {
            Task write = connection.WriteAsync(much, stop).AsTask();
            int[] taken = await Task.WhenAll(Enumerable.Range(0, 4).Select(t => Task.Run(() =>
            {
                byte[] message = [.. Enumerable.Repeat((byte)('a' + t), 1000)];
                return Enumerable.Range(0, 30).Count(_ => connection.TrySend(message));
            }, stop)));
            mayRead.SetResult();
            await write;
            return taken.Sum();
        });
        using Caller caller = await call.CallAsync(receiveBuffer: 16 * 1024);
        await Task.WhenAny(mayRead.Task, call.Result);
        byte[] received = (await caller.ReadToEndAsync())[much.Length..];
        Assert.Equal(ConnectionLimits.Default.PendingSend / 1000, await call.Result);
        Assert.Equal(await call.Result * 1000, received.Length);
        Assert.All(received.Chunk(1000), message => Assert.Single(message.Distinct()));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task After_our_own_end_of_output_writes_are_refused_and_reads_go_on()
    {
        await using var call = Serve<string>(async (connection, stop) =>
        {
            await connection.WriteAsync("last words"u8.ToArray(), stop);
            await connection.CloseOutputAsync();
            Assert.False(connection.TrySend("late"u8));
            var error = await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.WriteAsync("late"u8.ToArray(), stop));
            Assert.Contains("CloseOutputAsync", error.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<InvalidOperationException>(() => Task.Run(async () => await connection.WriteAsync("late"u8.ToArray(), stop)));
            await connection.CloseOutputAsync();
            return Encoding.UTF8.GetString((await connection.ReadMessageAsync(Framing.Line, stop))!.Value.Span);
        });
        using Caller caller = await call.CallAsync();
        Assert.Equal("last words", await caller.ReadTextToEndAsync());
        await caller.SendAsync("and mine\n");
        Assert.Equal("and mine", await call.Result);
    }
}
