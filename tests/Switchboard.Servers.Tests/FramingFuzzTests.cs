using CsCheck;
using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

/// <summary>Garbage instead of messages, under every framing: it ends in messages or in one error, the same however it is cut
/// and read, and never takes more memory than the limit allows.</summary>
public sealed class FramingFuzzTests
{
    // What a connection reads into at first.
    private const int FirstRoom = 32 * 1024;

    private static readonly Dialect[] _dialects = [.. Dialect.Names.Select(Dialect.Of)];

    // The bytes that mean something to one framing or another, so that garbage comes near to messages.
    private static readonly Gen<byte> _byte = Gen.OneOf(Gen.OneOf("\r\n.T\0\u0001\u0004\u0008x"u8.ToArray()), Gen.Byte);
    private static readonly Gen<byte[]> _garbage = Gen.Frequency((200, _byte.Array[1, 60]), (20, _byte.Array[200, 600]), (1, Gen.Byte[1, 255].Array[30_000, 100_000]));

    // Some below the size of one dialect's messages, which no caller is to blame for; some beyond all garbage.
    private static readonly Gen<int> _limit = Gen.Frequency((5, Gen.Int[1, 64]), (3, Gen.Int[65, 1_000]), (2, Gen.Const(1024 * 1024)));

    /// <summary>Scaled by SWITCHBOARD_SCALE: 50 makes it a million inputs.</summary>
    [Fact]
    public void Garbage_gives_the_same_messages_and_the_same_end_however_it_is_cut_and_read() =>
        Gen.Select(Gen.Int[0, _dialects.Length - 1], _limit, _garbage, Gen.Int[0, 3], Gen.Int[1, 100].Array[0, 12], (dialect, limit, garbage, messages, cuts) =>
                (_dialects[dialect], limit, garbage, messages, cuts))
            .SelectMany(input => input.Item1.Message.Where(static message => message.Length < 200).Array[input.messages].Select(messages =>
                (input.Item1, input.limit, (byte[])[.. messages.SelectMany(input.Item1.Encode), .. input.garbage], input.cuts)))
            .Sample(Check, iter: Scale.Of(20_000));

    private static void Check((Dialect Dialect, int Limit, byte[] Bytes, int[] Cuts) input)
    {
        (Dialect dialect, int limit, byte[] bytes, int[] cuts) = input;
        (List<byte[]> Messages, Type? End) whole = Read(dialect.Framing, limit, [bytes], isCurrent: false, blocking: false);
        Assert.True(whole.End is null || whole.End == typeof(InvalidDataException) || whole.End == typeof(MessageTooLongException)
            || (whole.End == typeof(InvalidOperationException) && dialect.Framing.MessageSize > limit), $"It ended in {whole.End}.");
        Assert.All(whole.Messages, message => Assert.True(message.Length <= limit));
        List<ReadOnlyMemory<byte>> pieces = [.. Cut(bytes, cuts)];
        foreach ((bool isCurrent, bool blocking) in ((bool, bool)[])[(false, false), (true, false), (true, true)])
        {
            (List<byte[]> Messages, Type? End) cut = Read(dialect.Framing, limit, pieces, isCurrent, blocking);
            // What is both too long and nonsense is told as the one that shows first: by its beginning, or once it is whole.
            Assert.True(whole.End == cut.End || (dialect.Framing is TypedFraming && whole.End == typeof(InvalidDataException) && cut.End == typeof(MessageTooLongException)),
                $"Whole it ended in {whole.End}, cut in {cut.End}.");
            if (dialect.Framing == Framing.Packet)
            {
                Assert.True(whole.Messages.SelectMany(static message => message).SequenceEqual(cut.Messages.SelectMany(static message => message)));
            }
            else
            {
                Assert.Equal(whole.Messages.Count, cut.Messages.Count);
                Assert.All(whole.Messages.Zip(cut.Messages), static pair => Assert.True(pair.First.AsSpan().SequenceEqual(pair.Second)));
            }
        }
    }

    /// <summary>The messages, and the error after them; null if the input ended where a message may.</summary>
    private static (List<byte[]> Messages, Type? End) Read(Framing framing, int limit, List<ReadOnlyMemory<byte>> pieces, bool isCurrent, bool blocking)
    {
        var transport = new PieceTransport(pieces, isCurrent);
        var connection = new Connection(1, transport, ConnectionLimits.Default with { Message = limit }, CancellationToken.None);
        List<byte[]> messages = [];
        Type? end = null;
        try
        {
            while ((blocking ? connection.ReadMessage(framing) : Taken(connection.ReadMessageAsync(framing))) is { } message)
            {
                messages.Add(message.ToArray());
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or MessageTooLongException or InvalidOperationException)
        {
            end = exception.GetType();
        }
        // An unfinished message is at most as long as the limit and what stands around it; a buffer doubles when it is more than half full of one.
        Assert.InRange(transport.MostRoom, 0, Math.Max(FirstRoom, 4 * ((long)limit + framing.Overhead)));
        return (messages, end);
    }

    private static ReadOnlyMemory<byte>? Taken(ValueTask<ReadOnlyMemory<byte>?> read)
    {
        // A read that waited here would wait for ever: all bytes are there.
        Assert.True(read.IsCompleted);
        return read.GetAwaiter().GetResult();
    }

    private static IEnumerable<ReadOnlyMemory<byte>> Cut(byte[] bytes, int[] lengths)
    {
        int from = 0;
        for (int i = 0; from < bytes.Length; i++)
        {
            // The rest of a long one in pieces as large as a read of a socket may be.
            int length = Math.Min(i < lengths.Length ? lengths[i] : 20_000, bytes.Length - from);
            yield return bytes.AsMemory(from, length);
            from += length;
        }
    }
}
