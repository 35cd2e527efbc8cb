using System.Buffers.Binary;
using System.Text;
using CsCheck;

namespace Switchboard.Servers.Tests;

/// <summary>Messages come out as they went in, however the stream cuts their bytes.</summary>
public sealed class FramingTests
{
    public static TheoryData<string> Dialects => Dialect.All;

    public static MatrixTheoryData<string, Model> DialectsAndModels => new(Dialect.Names, [Model.Threads, Model.OneLoop, Model.ThreeLoops, Model.Tasks]);

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Dialects))]
    public async Task Messages_cut_at_random_places_arrive_whole_in_memory(string name)
    {
        Dialect dialect = Dialect.Of(name);
        await Sent(dialect).SampleAsync(async sent =>
        {
            using var pair = new ConnectionPair();
            Task<List<byte[]>> received = ReadAllAsync(pair.Server, dialect.Framing);
            foreach (byte[] piece in Cut(dialect, sent.Messages, sent.Cuts))
            {
                await pair.Client.WriteAsync(piece).InTime();
            }
            await pair.Client.CloseOutputAsync().InTime();
            AssertSame(dialect, sent.Messages, await received.InTime());
        }, iter: 60, threads: 1);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(DialectsAndModels))]
    public async Task Messages_cut_at_random_places_arrive_whole_over_a_socket(string name, Model model)
    {
        Dialect dialect = Dialect.Of(name);
        await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            await foreach (ReadOnlyMemory<byte> message in connection.ReadMessagesAsync(dialect.Framing, stop))
            {
                await connection.WriteAsync(Answer(message), stop);
            }
        }, model.Make());
        await AssertAnswersAsync(server, dialect, iterations: 12);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Dialects))]
    public async Task Messages_cut_at_random_places_arrive_whole_with_blocking_reads(string name)
    {
        Dialect dialect = Dialect.Of(name);
        await using var server = new TcpServer("127.0.0.1:0", (Func<BlockingRequestHandler>)(() => new BlockingAnswerer(dialect.Framing)));
        await AssertAnswersAsync(server, dialect, iterations: 12);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("one\ntwo\r\nthree\n", new[] { "one", "two", "three" })]
    [InlineData("one\ntwo", new[] { "one", "two" })]
    [InlineData("one\ntwo\r", new[] { "one", "two" })]
    [InlineData("\n\r\n\n", new[] { "", "", "" })]
    [InlineData("a\rb\n\r\r\n", new[] { "a\rb", "\r" })]
    [InlineData("", new string[0])]
    public async Task Lines_end_with_LF_or_CR_LF_and_the_last_may_have_no_end(string sent, string[] lines)
    {
        using var pair = new ConnectionPair();
        await pair.Client.WriteAsync(Encoding.UTF8.GetBytes(sent)).InTime();
        await pair.Client.CloseOutputAsync().InTime();
        List<byte[]> received = await ReadAllAsync(pair.Server, Framing.Line).InTime();
        Assert.Equal(lines, received.Select(Encoding.UTF8.GetString));
        Assert.Null(await pair.Server.ReadMessageAsync(Framing.Line).InTime());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_packet_is_what_one_read_returns()
    {
        await using var call = new OneCall<string>(Concurrency.Threads(), async (connection, stop) =>
        {
            var packets = new List<string>();
            await foreach (ReadOnlyMemory<byte> packet in connection.ReadMessagesAsync(Framing.Packet, stop))
            {
                packets.Add(Encoding.UTF8.GetString(packet.Span));
                await connection.WriteAsync("."u8.ToArray(), stop);
            }
            return string.Join('|', packets);
        });
        using Caller caller = await call.CallAsync();
        foreach (string packet in (string[])["10086\r\n", "two\nlines\n", "x"])
        {
            await caller.SendAsync(packet);
            await caller.ExpectAsync(".");
        }
        caller.CloseOutput();
        Assert.Equal("10086\r\n|two\nlines\n|x", await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task One_connection_may_change_its_framing_between_messages_and_plain_reads()
    {
        await using var call = new OneCall<string[]>(Concurrency.Threads(), async (connection, stop) =>
        {
            string head = Text(await connection.ReadMessageAsync(Framing.Line, stop));
            string body = Text(await connection.ReadMessageAsync(Framing.FixedSize(int.Parse(head, System.Globalization.CultureInfo.InvariantCulture)), stop));
            string prefixed = Text(await connection.ReadMessageAsync(Framing.LengthPrefix(1), stop));
            var buffer = new byte[3];
            string plain = Encoding.UTF8.GetString(buffer.AsSpan(0, await connection.ReadAsync(buffer, stop)));
            return [head, body, prefixed, plain, Text(await connection.ReadMessageAsync(Framing.Packet, stop))];
        });
        using Caller caller = await call.CallAsync();
        await caller.SendAsync("5\r\na\nb\nc\u0004fourxyzrest");
        Assert.Equal(["5", "a\nb\nc", "four", "xyz", "rest"], await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_framing_is_told_how_much_it_has_searched_already()
    {
        var framing = new WatchedFraming();
        using var pair = new ConnectionPair();
        for (int round = 0; round < 2; round++)
        {
            ValueTask<ReadOnlyMemory<byte>?> read = pair.Server.ReadMessageAsync(framing);
            foreach (string piece in (string[])["ab", "cd", "e!"])
            {
                int asked = framing.Asked.Count;
                await pair.Client.WriteAsync(Encoding.ASCII.GetBytes(piece)).InTime();
                await Deadline.UntilAsync(() => framing.Asked.Count > asked, "the framing is asked about each piece");
            }
            Assert.Equal("abcde", Text(await read.InTime()));
        }
        Assert.Equal([(2, 0), (4, 2), (6, 4), (2, 0), (4, 2), (6, 4)], framing.Asked);
    }

    [Fact]
    public void A_framing_that_can_not_be_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Framing.Delimiter([]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Framing.FixedSize(0));
        foreach (int size in (int[])[-1, 0, 3, 5, 16])
        {
            Assert.Contains("1, 2, 4 or 8", Assert.Throws<ArgumentOutOfRangeException>(() => Framing.LengthPrefix(size)).Message, StringComparison.Ordinal);
        }
        using var pair = new ConnectionPair();
        Assert.Throws<ArgumentNullException>(() => _ = pair.Server.ReadMessageAsync(null!));
    }

    private static Gen<(List<byte[]> Messages, double[] Cuts)> Sent(Dialect dialect) =>
        Gen.Select(dialect.Message.List[0, 12], Gen.Double.Unit.Array[0, 12]);

    private static IEnumerable<byte[]> Cut(Dialect dialect, List<byte[]> messages, double[] cuts)
    {
        byte[] all = [.. messages.SelectMany(dialect.Encode)];
        int[] places = [0, .. cuts.Select(cut => (int)(cut * all.Length)).Order(), all.Length];
        return places.Zip(places.Skip(1)).Select(place => all[place.First..place.Second]).Where(piece => piece.Length > 0);
    }

    private static async Task<List<byte[]>> ReadAllAsync(Connection connection, Framing framing)
    {
        var messages = new List<byte[]>();
        while (await connection.ReadMessageAsync(framing) is { } message)
        {
            messages.Add(message.ToArray());
        }
        return messages;
    }

    private static void AssertSame(Dialect dialect, List<byte[]> sent, List<byte[]> received)
    {
        if (dialect.Framing == Framing.Packet)
        {
            Assert.DoesNotContain(received, packet => packet.Length == 0);
            Assert.Equal(sent.SelectMany(message => message), received.SelectMany(packet => packet));
        }
        else
        {
            Assert.Equal(sent, received);
        }
    }

    private static async Task AssertAnswersAsync(TcpServer server, Dialect dialect, int iterations)
    {
        await server.StartAsync().InTime();
        await Sent(dialect).SampleAsync(async sent =>
        {
            using Caller caller = await Caller.ConnectAsync(server);
            caller.Socket.NoDelay = true;
            Task<byte[]> answer = caller.ReadToEndAsync();
            foreach (byte[] piece in Cut(dialect, sent.Messages, sent.Cuts))
            {
                await caller.SendAsync(piece);
            }
            caller.CloseOutput();
            AssertSame(dialect, sent.Messages, Answers(await answer));
        }, iter: iterations, threads: 1);
    }

    private static byte[] Answer(ReadOnlyMemory<byte> message) => [.. Dialect.Prefix(4, false, (ulong)message.Length), .. message.Span];

    private static List<byte[]> Answers(byte[] bytes)
    {
        var messages = new List<byte[]>();
        for (int at = 0; at < bytes.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(at));
            messages.Add(bytes[(at + 4)..(at + 4 + length)]);
            at += 4 + length;
        }
        return messages;
    }

    private static string Text(ReadOnlyMemory<byte>? message) => Encoding.UTF8.GetString(message!.Value.Span);

    private sealed class BlockingAnswerer(Framing framing) : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop)
        {
            foreach (ReadOnlyMemory<byte> message in Connection.ReadMessages(framing))
            {
                Connection.Write(Answer(message));
            }
        }
    }

    private sealed class WatchedFraming : Framing
    {
        internal List<(int Length, int Examined)> Asked { get; } = [];

        public override bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced)
        {
            announced = 0;
            Asked.Add((received.Length, examined));
            int end = received.IndexOf((byte)'!');
            frame = new Frame(0, Math.Max(end, 0), end + 1);
            return end >= 0;
        }
    }
}
