using System.Text;

namespace Switchboard.Servers.Tests;

/// <summary>Messages that are too long, unfinished or nonsense end their own caller, with a sentence.</summary>
public sealed class FramingLimitTests
{
    private const int Limit = 100;

    private static readonly ServerOptions _options = new() { Limits = new ConnectionLimits { Message = Limit } };

    public static TheoryData<string> Limited => [.. Dialect.Names.Where(name => name is not ("packet" or "fixed size"))];

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Limited))]
    public async Task A_message_at_the_limit_is_fine_and_one_byte_more_ends_that_caller_only(string name)
    {
        Dialect dialect = Dialect.Of(name);
        var ends = new EndRecorder();
        await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            await foreach (ReadOnlyMemory<byte> message in connection.ReadMessagesAsync(dialect.Framing, stop))
            {
                await connection.WriteAsync(Encoding.ASCII.GetBytes($"{message.Length}\n"), stop);
            }
        }, options: _options);
        server.ConnectionEnded += ends.Add;
        await server.StartAsync().InTime();
        using Caller other = await Caller.ConnectAsync(server);
        using Caller caller = await Caller.ConnectAsync(server);
        await other.SendAsync(dialect.Encode(Text(1)));
        await other.ExpectAsync("1\n");
        await caller.SendAsync(dialect.Encode(Text(Limit)));
        await caller.ExpectAsync("100\n");
        // A second message at the limit, whose end comes late.
        byte[] second = dialect.Encode(Text(Limit));
        await caller.SendAsync(second.AsMemory(..^1));
        await caller.SendAsync(second.AsMemory(^1..));
        await caller.ExpectAsync("100\n");
        await caller.SendAsync(dialect.Encode(Text(Limit + 1)));
        await caller.WaitForEndAsync();
        caller.Dispose();
        ConnectionEnd end = (await ends.NextAsync()).End;
        Assert.Equal(ConnectionEndReason.MessageTooLong, end.Reason);
        var error = Assert.IsType<MessageTooLongException>(end.Exception);
        Assert.Equal(Limit, error.Limit);
        Assert.Contains("100", error.Message, StringComparison.Ordinal);
        Assert.Contains("ConnectionLimits.Message", error.Message, StringComparison.Ordinal);
        await other.SendAsync(dialect.Encode(Text(Limit)));
        await other.ExpectAsync("100\n");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(1, 101ul)]
    [InlineData(2, 65_535ul)]
    [InlineData(4, (ulong)uint.MaxValue)]
    [InlineData(8, ulong.MaxValue)]
    public async Task An_announced_length_beyond_the_limit_ends_the_connection_before_the_message_is_received(int size, ulong length)
    {
        await using var call = new OneCall<MessageTooLongException>(Concurrency.Threads(), async (connection, stop) =>
            await Assert.ThrowsAsync<MessageTooLongException>(async () => await connection.ReadMessageAsync(Framing.LengthPrefix(size), stop)), _options);
        using Caller caller = await call.CallAsync();
        await caller.SendAsync(Dialect.Prefix(size, false, length));
        MessageTooLongException error = await call.Result;
        long announced = (long)Math.Min(length, long.MaxValue);
        Assert.Equal(announced, error.Length);
        Assert.Contains($"announced a message of {announced} bytes", error.Message, StringComparison.Ordinal);
        caller.Dispose();
        Assert.Equal(ConnectionEndReason.MessageTooLong, (await call.End).Reason);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task After_a_message_that_is_too_long_reads_fail_and_a_last_word_reaches_a_caller_that_goes_on_sending(bool blocking)
    {
        var ended = new TaskCompletionSource<ConnectionEnd>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TcpServer server = blocking
            ? new TcpServer("127.0.0.1:0", (Func<BlockingRequestHandler>)(() => new LastWord()), options: _options)
            : new TcpServer("127.0.0.1:0", async (connection, stop) =>
            {
                await Assert.ThrowsAsync<MessageTooLongException>(async () => await connection.ReadMessageAsync(Framing.Line, stop));
                await Assert.ThrowsAsync<MessageTooLongException>(async () => await connection.ReadMessageAsync(Framing.Packet, stop));
                await Assert.ThrowsAsync<MessageTooLongException>(async () => await connection.ReadAsync(new byte[10], stop));
                await connection.WriteAsync("too long"u8.ToArray(), stop);
            }, options: _options);
        server.ConnectionEnded += (_, end) => ended.TrySetResult(end);
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.SendAsync(Text(100_000));
        Assert.Equal("too long", await caller.ReadTextToEndAsync());
        caller.CloseOutput();
        Assert.Equal(ConnectionEndReason.MessageTooLong, (await ended.Task.InTime()).Reason);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_packet_is_never_longer_than_the_limit_and_never_too_long()
    {
        byte[] sent = Sizes.Pattern(5_000);
        await using var call = new OneCall<List<byte[]>>(Concurrency.Threads(), async (connection, stop) =>
        {
            var packets = new List<byte[]>();
            await foreach (ReadOnlyMemory<byte> packet in connection.ReadMessagesAsync(Framing.Packet, stop))
            {
                packets.Add(packet.ToArray());
            }
            return packets;
        }, _options);
        using Caller caller = await call.CallAsync();
        await caller.SendAsync(sent);
        caller.CloseOutput();
        List<byte[]> packets = await call.Result;
        Assert.All(packets, packet => Assert.InRange(packet.Length, 1, Limit));
        Assert.Equal(sent, packets.SelectMany(packet => packet));
        Assert.Equal(ConnectionEndReason.PeerClosed, (await call.End).Reason);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("delimiter of one", "abc", 3)]
    [InlineData("delimiter of five", "abc\r\n.", 6)]
    [InlineData("fixed size", "1234567abc", 3)]
    [InlineData("prefix 4 big", "\0\0", 2)]
    [InlineData("prefix 4 big", "\0\0\0\u0005four", 8)]
    [InlineData("custom", "T\0", 2)]
    public async Task The_end_of_input_in_the_middle_of_a_message_is_an_error_that_says_so(string name, string sent, int rest)
    {
        Dialect dialect = Dialect.Of(name);
        await using var call = new OneCall<bool>(Concurrency.Threads(), async (connection, stop) =>
        {
            while (await connection.ReadMessageAsync(dialect.Framing, stop) is not null)
            {
            }
            return true;
        });
        using Caller caller = await call.CallAsync();
        await caller.SendAsync(sent);
        caller.CloseOutput();
        var error = await Assert.ThrowsAsync<InvalidDataException>(() => call.Result);
        Assert.Contains($"in the middle of a message, after {rest} bytes", error.Message, StringComparison.Ordinal);
        ConnectionEnd end = await call.End;
        Assert.Equal(ConnectionEndReason.HandlerFailed, end.Reason);
        Assert.Same(error, end.Exception);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("prefix 4 big with itself", "\0\0\0\u0003", "3 bytes in all, less than its own 4")]
    [InlineData("custom", "Unknown", "begins with T, not with U")]
    [InlineData("custom", "T\0\u0001a!", "sum of a message is wrong")]
    public async Task Nonsense_ends_the_caller_with_the_words_of_the_framing(string name, string sent, string words)
    {
        Dialect dialect = Dialect.Of(name);
        await using var call = new OneCall<bool>(Concurrency.Threads(), async (connection, stop) =>
            await connection.ReadMessageAsync(dialect.Framing, stop) is null);
        using Caller caller = await call.CallAsync();
        await caller.SendAsync(sent);
        var error = await Assert.ThrowsAsync<InvalidDataException>(() => call.Result);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.Equal(ConnectionEndReason.HandlerFailed, (await call.End).Reason);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(0, 2, 0)]
    [InlineData(0, 2, 5)]
    [InlineData(-1, 2, 1)]
    [InlineData(3, 2, 1)]
    [InlineData(0, -1, 1)]
    public async Task A_frame_outside_of_the_bytes_names_the_framing_that_found_it(int start, int length, int consumed)
    {
        using var pair = new ConnectionPair();
        await pair.Client.WriteAsync("four"u8.ToArray()).InTime();
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => pair.Server.ReadMessageAsync(new FixedFrame(new Frame(start, length, consumed))).InTime());
        Assert.Contains(nameof(FixedFrame), error.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task What_is_left_at_the_end_of_input_may_mean_something_to_a_framing_of_ones_own()
    {
        using var pair = new ConnectionPair();
        await pair.Client.WriteAsync("all of it"u8.ToArray()).InTime();
        await pair.Client.CloseOutputAsync().InTime();
        Assert.Equal("all of it"u8.ToArray(), (await pair.Server.ReadMessageAsync(new UntilEnd()).InTime())!.Value.ToArray());
        Assert.Null(await pair.Server.ReadMessageAsync(new UntilEnd()).InTime());
    }

    private static byte[] Text(int length) => [.. Enumerable.Repeat((byte)'x', length)];

    private sealed class LastWord : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop)
        {
            Assert.Throws<MessageTooLongException>(() => Connection.ReadMessage(Framing.Line));
            Assert.Throws<MessageTooLongException>(() => Connection.ReadMessage(Framing.Packet));
            Assert.Throws<MessageTooLongException>(() => Connection.Read(new byte[10]));
            Connection.Write("too long"u8);
        }
    }

    private sealed class FixedFrame(Frame found) : Framing
    {
        public override bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced)
        {
            (frame, announced) = (found, 0);
            return true;
        }
    }

    private sealed class UntilEnd : Framing
    {
        public override bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced)
        {
            (frame, announced) = (default, 0);
            return false;
        }

        public override Frame? ReadRest(ReadOnlySpan<byte> rest) => new Frame(0, rest.Length, rest.Length);
    }
}
