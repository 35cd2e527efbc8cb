using System.Text;
using System.Threading.Channels;

namespace Switchboard.Servers.Tests;

public sealed class ContractUnderSequential() : OwnThreadContractTests(Concurrency.Sequential());

public sealed class ContractUnderThreads() : OwnThreadContractTests(Concurrency.Threads());

public sealed class ContractUnderEventLoop() : OwnThreadContractTests(Concurrency.EventLoop())
{
    protected override bool WaitsInline => false;
}

public sealed class ContractUnderSeveralLoops() : OwnThreadContractTests(Concurrency.EventLoop(3))
{
    protected override bool WaitsInline => false;
}

public sealed class ContractUnderTasks() : ContractTests(Concurrency.Tasks())
{
    protected override bool HasOwnThread => false;

    protected override bool WaitsInline => false;
}

public sealed class ContractOverTlsUnderThreads() : OwnThreadContractTests(Concurrency.Threads(), overTls: true);

public sealed class ContractOverTlsUnderEventLoop() : OwnThreadContractTests(Concurrency.EventLoop(), overTls: true)
{
    protected override bool WaitsInline => false;
}

public sealed class ContractOverTlsUnderTasks() : ContractTests(Concurrency.Tasks(), overTls: true)
{
    protected override bool HasOwnThread => false;

    protected override bool WaitsInline => false;
}

/// <summary>What a handler may rely on under every model, in clear and over TLS. A model joins by one class above.</summary>
public abstract partial class ContractTests(Concurrency model, bool overTls = false) : IDisposable
{
    private readonly Certificates? _certificates = overTls ? new Certificates() : null;

    public void Dispose()
    {
        _certificates?.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected OneCall<T> Serve<T>(Func<Connection, CancellationToken, Task<T>> handle, ServerOptions? options = null) => new(model, handle, options, _certificates);

    /// <summary>False under a model that may run each piece of a call on another thread.</summary>
    protected virtual bool HasOwnThread => true;

    /// <summary>False under a model whose thread carries other connections too.</summary>
    protected virtual bool WaitsInline => true;

    /// <summary>As an HttpClient does: its own awaits ask for no context, and it completes on the thread pool.</summary>
    private protected static async Task<int> OfALibraryAsync()
    {
        await Task.Run(() => { }).ConfigureAwait(false);
        await Task.Yield();
        return 1;
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Only_one_piece_of_a_call_runs_at_a_time()
    {
        int inside = 0;
        int most = 0;
        int pieces = 0;
        await using var call = Serve<bool>(async (connection, stop) =>
        {
            void Piece()
            {
                int now = Interlocked.Increment(ref inside);
                most = Math.Max(most, now);
                pieces++;
                Thread.SpinWait(500);
                Interlocked.Decrement(ref inside);
            }
            async Task Loop(Func<Task> act)
            {
                for (int i = 0; i < 200; i++)
                {
                    await act();
                    Piece();
                }
            }
            async Task Echo()
            {
                await foreach (ReadOnlyMemory<byte> bytes in connection.ReadMessagesAsync(Framing.Packet, stop))
                {
                    Piece();
                    await connection.WriteAsync(bytes, stop);
                    Piece();
                }
            }
            await Task.WhenAll(Echo(), Loop(async () => await Task.Yield()), Loop(() => Task.Run(() => { }, stop)), Loop(OfALibraryAsync));
            return true;
        });
        using Caller caller = await call.CallAsync();
        for (int i = 0; i < 200; i++)
        {
            await caller.SendAsync("ping");
            await caller.ExpectAsync("ping");
        }
        caller.CloseOutput();
        await call.Result;
        Assert.True(pieces >= 1000, $"Only {pieces} pieces ran.");
        Assert.Equal(1, most);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_reader_and_a_writer_run_side_by_side()
    {
        byte[] much = Sizes.Pattern(4 * 1024 * 1024);
        await using var call = Serve<long>(async (connection, stop) =>
        {
            async Task<long> Reader()
            {
                long total = 0;
                await foreach (ReadOnlyMemory<byte> bytes in connection.ReadMessagesAsync(Framing.Packet, stop))
                {
                    total += bytes.Length;
                }
                return total;
            }
            async Task Writer()
            {
                await connection.WriteAsync(much, stop);
                await connection.CloseOutputAsync();
            }
            Task<long> reader = Reader();
            await Task.WhenAll(reader, Writer());
            return await reader;
        });
        using Caller caller = await call.CallAsync();
        // The caller says nothing until it has heard everything: the reader alone would wait for ever.
        Assert.Equal(much, await caller.ReadToEndAsync());
        await caller.SendAsync(much);
        caller.CloseOutput();
        Assert.Equal(much.Length, await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_first_of_a_read_and_a_delay_is_enough_and_the_read_stays_good()
    {
        await using var call = Serve<(bool DelayWon, string Text)>(async (connection, stop) =>
        {
            var buffer = new byte[16];
            Task<int> read = connection.ReadAsync(buffer, stop).AsTask();
            Task first = await Task.WhenAny(read, Task.Delay(5, stop));
            await connection.WriteAsync("now"u8.ToArray(), stop);
            int count = await read;
            return (first != read, Encoding.UTF8.GetString(buffer.AsSpan(0, count)));
        });
        using Caller caller = await call.CallAsync();
        await caller.ExpectAsync("now");
        await caller.SendAsync("late");
        Assert.Equal((true, "late"), await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_first_of_a_read_and_a_channel_is_enough()
    {
        var channel = Channel.CreateUnbounded<string>();
        await using var call = Serve<string>(async (connection, stop) =>
        {
            var buffer = new byte[16];
            Task<int> read = connection.ReadAsync(buffer, stop).AsTask();
            while (true)
            {
                Task<bool> pushed = channel.Reader.WaitToReadAsync(stop).AsTask();
                if (await Task.WhenAny(read, pushed) == read)
                {
                    return Encoding.UTF8.GetString(buffer.AsSpan(0, await read));
                }
                while (channel.Reader.TryRead(out string? text))
                {
                    await connection.WriteAsync(Encoding.UTF8.GetBytes(text), stop);
                }
            }
        });
        using Caller caller = await call.CallAsync();
        foreach (string text in (string[])["one", "two", "three"])
        {
            channel.Writer.TryWrite(text);
            await caller.ExpectAsync(text);
        }
        await caller.SendAsync("thanks");
        Assert.Equal("thanks", await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task After_an_await_without_the_context_on_something_else_reads_and_writes_go_on_elsewhere_and_block_nobody()
    {
        await using var call = Serve<List<string>>(async (connection, stop) =>
        {
            int thread = Environment.CurrentManagedThreadId;
            do
            {
                // One that has ended before it is awaited leaves nothing.
                await Task.Run(() => { }, stop).ConfigureAwait(false);
            }
            while (HasOwnThread && Environment.CurrentManagedThreadId == thread);
            var lines = new List<string>();
            var buffer = new byte[16];
            for (int i = 0; i < 3; i++)
            {
                int count = await connection.ReadAsync(buffer, stop).ConfigureAwait(false);
                lines.Add(Encoding.UTF8.GetString(buffer.AsSpan(0, count)));
                await connection.WriteAsync("!"u8.ToArray(), stop).ConfigureAwait(false);
                // Foreign code must not be left running on the thread of the call, which it could hold up.
                Assert.True(Environment.CurrentManagedThreadId != thread || !HasOwnThread, "The call's thread runs a piece that had left it.");
                ReadOnlyMemory<byte>? line = await connection.ReadMessageAsync(Framing.Line, stop).ConfigureAwait(false);
                lines.Add(Encoding.UTF8.GetString(line!.Value.Span));
            }
            return lines;
        });
        using Caller caller = await call.CallAsync();
        try
        {
            for (int i = 0; i < 3; i++)
            {
                await caller.SendAsync($"r{i}");
                await caller.ExpectAsync("!");
                await caller.SendAsync($"line{i}\n");
            }
        }
        catch (Exception)
        {
            // What the handler has to say of it comes first.
            await call.Result;
            throw;
        }
        Assert.Equal(["r0", "line0", "r1", "line1", "r2", "line2"], await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_second_read_throws_and_the_first_goes_on()
    {
        await using var call = Serve<string>(async (connection, stop) =>
        {
            var buffer = new byte[16];
            Task<int> first = connection.ReadAsync(buffer, stop).AsTask();
            var error = await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.ReadAsync(new byte[16], stop));
            Assert.Contains("one read at a time", error.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.ReadMessageAsync(Framing.Line, stop));
            await connection.WriteAsync("go"u8.ToArray(), stop);
            return Encoding.UTF8.GetString(buffer.AsSpan(0, await first));
        });
        using Caller caller = await call.CallAsync();
        await caller.ExpectAsync("go");
        await caller.SendAsync("first");
        Assert.Equal("first", await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_second_read_throws_while_half_a_message_waits_for_the_rest()
    {
        await using var call = Serve<string>(async (connection, stop) =>
        {
            await connection.ReadMessageAsync(Framing.FixedSize(2), stop);
            Task<ReadOnlyMemory<byte>?> first = connection.ReadMessageAsync(Framing.Line, stop).AsTask();
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.ReadMessageAsync(Framing.Packet, stop));
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.ReadAsync(new byte[16], stop));
            await connection.WriteAsync("go"u8.ToArray(), stop);
            return Encoding.UTF8.GetString((await first)!.Value.Span);
        });
        using Caller caller = await call.CallAsync();
        await caller.SendAsync("abhalf a l");
        await caller.ExpectAsync("go");
        await caller.SendAsync("ine\n");
        Assert.Equal("half a line", await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_cancelled_read_takes_no_byte_and_the_connection_stays_usable()
    {
        await using var call = Serve<string>(async (connection, stop) =>
        {
            var buffer = new byte[16];
            using (var source = new CancellationTokenSource())
            {
                ValueTask<int> read = connection.ReadAsync(buffer, source.Token);
                await source.CancelAsync();
                var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await read);
                Assert.Equal(source.Token, error.CancellationToken);
            }
            using (var time = new CancellationTokenSource(5))
            {
                await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await connection.ReadAsync(buffer, time.Token));
            }
            using (var time = new CancellationTokenSource(5))
            {
                await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await connection.ReadMessageAsync(Framing.Line, time.Token));
            }
            await connection.WriteAsync("go"u8.ToArray(), stop);
            return Encoding.UTF8.GetString((await connection.ReadMessageAsync(Framing.Line, stop))!.Value.Span);
        });
        using Caller caller = await call.CallAsync();
        await caller.ExpectAsync("go");
        await caller.SendAsync("hello\n");
        Assert.Equal("hello", await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task No_byte_is_lost_when_cancellation_and_data_race()
    {
        const int total = 3000;
        await using var call = Serve<byte[]>(async (connection, _) =>
        {
            var all = new MemoryStream();
            var buffer = new byte[7];
            while (all.Length < total)
            {
                using var source = new CancellationTokenSource();
                ValueTask<int> read = connection.ReadAsync(buffer, source.Token);
                Task cancel = Task.Run(source.Cancel);
                try
                {
                    int count = await read;
                    Assert.True(count > 0, "The caller has not closed.");
                    all.Write(buffer, 0, count);
                    if (all.Length % 10 == 0)
                    {
                        // The caller sends nothing before it has its answer, so here the cancellation wins for certain.
                        using var certain = new CancellationTokenSource();
                        ValueTask<int> nothing = connection.ReadAsync(buffer, certain.Token);
                        await certain.CancelAsync();
                        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await nothing);
                        await connection.WriteAsync("."u8.ToArray(), CancellationToken.None);
                    }
                }
                catch (OperationCanceledException)
                {
                    // Now the cancellation wins, now the data.
                }
                await cancel;
            }
            return all.ToArray();
        });
        using Caller caller = await call.CallAsync();
        byte[] sent = Sizes.Pattern(total);
        for (int i = 0; i < total; i += 10)
        {
            await caller.SendAsync(sent.AsMemory(i, 10));
            await caller.ExpectAsync(".");
        }
        Assert.Equal(sent, await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_stop_of_the_server_ends_a_read_and_is_a_normal_end()
    {
        var reading = new TaskCompletionSource();
        await using var call = Serve<bool>(async (connection, stop) =>
        {
            ValueTask<int> read = connection.ReadAsync(new byte[16], stop);
            reading.SetResult();
            await read;
            return true;
        });
        using Caller caller = await call.CallAsync();
        await reading.Task.InTime();
        await call.Server.StopAsync(Deadline.Time).InTime();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.Result);
        Assert.Equal(ConnectionEndReason.Stopped, (await call.End).Reason);
        Assert.Empty(await caller.ReadToEndAsync());
        Assert.DoesNotContain(call.Log.Records, record => record.Level >= Microsoft.Extensions.Logging.LogLevel.Warning);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Other_threads_may_read_and_write_and_each_write_goes_out_whole()
    {
        const int threads = 4;
        const int lines = 100;
        await using var call = Serve<List<string>>(async (connection, stop) =>
        {
            Task[] writers = [.. Enumerable.Range(0, threads).Select(t => Task.Run(async () =>
            {
                for (int i = 0; i < lines; i++)
                {
                    await connection.WriteAsync(Encoding.UTF8.GetBytes($"{t}:{i}:{new string((char)('a' + t), 500)}\n"), stop);
                }
            }, stop))];
            List<string> received = await Task.Run(async () =>
            {
                var list = new List<string>();
                await foreach (ReadOnlyMemory<byte> line in connection.ReadMessagesAsync(Framing.Line, stop))
                {
                    list.Add(Encoding.UTF8.GetString(line.Span));
                }
                return list;
            }, stop);
            await Task.WhenAll(writers);
            return received;
        });
        using Caller caller = await call.CallAsync();
        var next = new int[threads];
        string all = await caller.ReadTextAsync(Enumerable.Range(0, lines).Sum(i => $"0:{i}:".Length + 501) * threads);
        foreach (string line in all.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = line.Split(':');
            int thread = int.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture);
            Assert.Equal(next[thread]++, int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture));
            Assert.Equal(new string((char)('a' + thread), 500), parts[2]);
        }
        Assert.All(next, count => Assert.Equal(lines, count));
        await caller.SendAsync("one\ntwo\nthree");
        caller.CloseOutput();
        Assert.Equal(["one", "two", "three"], await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_result_of_a_pending_operation_is_waited_for_inline()
    {
        byte[] much = Sizes.Pattern(Sizes.MoreThanBuffered);
        await using var call = Serve<string>(async (connection, stop) =>
        {
            if (!WaitsInline)
            {
                Assert.Throws<InvalidOperationException>(() => connection.ReadAsync(new byte[16], stop).GetAwaiter().GetResult());
                return "refused";
            }
            var buffer = new byte[16];
            connection.WriteAsync("go"u8.ToArray(), stop).GetAwaiter().GetResult();
            // What runs beside goes on meanwhile: the thread runs its loop while it waits.
            Task beside = AnswerLaterAsync(connection);
            int count = connection.ReadAsync(buffer, stop).GetAwaiter().GetResult();
            string first = Encoding.UTF8.GetString(buffer.AsSpan(0, count));
            await beside;
            connection.WriteAsync("ok"u8.ToArray(), stop).GetAwaiter().GetResult();
            string line = Encoding.UTF8.GetString(connection.ReadMessageAsync(Framing.Line, stop).GetAwaiter().GetResult()!.Value.Span);
            connection.WriteAsync(much, stop).GetAwaiter().GetResult();
            return $"{first} {line}";
        });
        using Caller caller = await call.CallAsync();
        if (WaitsInline)
        {
            await caller.ExpectAsync("goonon");
            await caller.SendAsync("first");
            await caller.ExpectAsync("ok");
            await caller.SendAsync("li");
            await caller.SendAsync("ne\n");
            Assert.Equal(much, await caller.ReadAsync(much.Length));
            Assert.Equal("first line", await call.Result);
        }
        else
        {
            Assert.Equal("refused", await call.Result);
        }

        static async Task AnswerLaterAsync(Connection connection)
        {
            await Task.Yield();
            await connection.WriteAsync("on"u8.ToArray());
            await Task.Run(() => { });
            await connection.WriteAsync("on"u8.ToArray());
        }
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_result_of_a_pending_operation_can_not_be_had_on_another_thread()
    {
        await using var call = Serve<string>(async (connection, stop) =>
        {
            var buffer = new byte[16];
            ValueTask<int> read = connection.ReadAsync(buffer, stop);
            var error = await Assert.ThrowsAsync<InvalidOperationException>(() => Task.Run(() => read.GetAwaiter().GetResult()));
            Assert.Contains("await", error.Message, StringComparison.OrdinalIgnoreCase);
            // The attempt has harmed nothing: the read is pending still.
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.ReadAsync(new byte[16], stop));
            await connection.WriteAsync("go"u8.ToArray(), stop);
            return Encoding.UTF8.GetString(buffer.AsSpan(0, await read));
        });
        using Caller caller = await call.CallAsync();
        await caller.ExpectAsync("go");
        await caller.SendAsync("still");
        Assert.Equal("still", await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task What_is_pending_when_the_handler_returns_fails_instead_of_hanging()
    {
        Task<int>? read = null;
        Task<ReadOnlyMemory<byte>?>? message = null;
        await using var first = Serve<bool>((connection, _) =>
        {
            read = connection.ReadAsync(new byte[16]).AsTask();
            return Task.FromResult(true);
        });
        await using var second = Serve<bool>((connection, _) =>
        {
            message = connection.ReadMessageAsync(Framing.Line).AsTask();
            return Task.FromResult(true);
        });
        using Caller one = await first.CallAsync();
        using Caller two = await second.CallAsync();
        await two.SendAsync("unread");
        Assert.Equal(ConnectionEndReason.HandlerReturned, (await first.End).Reason);
        Assert.Equal(ConnectionEndReason.HandlerReturned, (await second.End).Reason);
        await Assert.ThrowsAsync<ConnectionEndedException>(() => read!.InTime());
        await Assert.ThrowsAsync<ConnectionEndedException>(() => message!.InTime());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task After_the_call_every_operation_fails_at_once_from_any_thread()
    {
        Connection? kept = null;
        await using var call = Serve<bool>((connection, _) =>
        {
            kept = connection;
            return Task.FromResult(true);
        });
        using Caller caller = await call.CallAsync();
        await call.End;
        await FailsAsync();
        await call.Server.StopAsync().InTime();
        // The loop has ended too by now.
        await FailsAsync();

        async Task FailsAsync()
        {
            Assert.False(kept!.TrySend("late"u8));
            await Assert.ThrowsAsync<ConnectionEndedException>(() => kept.ReadAsync(new byte[1]).InTime());
            await Assert.ThrowsAsync<ConnectionEndedException>(() => kept.ReadMessageAsync(Framing.Line).InTime());
            await Assert.ThrowsAsync<ConnectionEndedException>(() => kept.WriteAsync("late"u8.ToArray()).InTime());
            await Assert.ThrowsAsync<ConnectionEndedException>(() => kept.CloseOutputAsync().InTime());
            kept.Abort();
            Assert.NotNull(kept.RemoteEndPoint);
            Assert.Null(kept.LocalEndPoint);
        }
    }
}
