using System.Text;
using CsCheck;
using Switchboard.Samples.MiniRedis;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The sample's parser: commands come out as they went in, however the stream cuts their bytes.</summary>
public sealed class MiniRedisReaderTests
{
    private const int Limit = 1024 * 1024;

    // Few letters, so that line ends, quotes and type bytes are met often.
    private static readonly Gen<byte> _byte = Gen.OneOf(Gen.OneOf("\r\n*$ '\"\\-0123456789aB"u8.ToArray()), Gen.Byte);
    private static readonly Gen<byte[]> _argument = Gen.OneOf(_byte.Array[0, 20], _byte.Array[100, 300]);
    private static readonly Gen<byte[]> _word = Gen.OneOf("abcXYZ019:*$-"u8.ToArray()).Array[1, 10];

    private static readonly Gen<(byte[] Sent, List<byte[][]> Meant)> _conversation = Gen.OneOf(
        _argument.Array[1, 12].Select(static arguments => (Resp.Command(arguments), new List<byte[][]> { arguments })),
        _word.Array[1, 5].Where(static words => words[0][0] != '*').Select(static words => (Line(words), new List<byte[][]> { words })),
        Gen.OneOf("*0\r\n", "*-1\r\n", "\r\n", "\n", "  \r\n").Select(static nothing => (Encoding.ASCII.GetBytes(nothing), new List<byte[][]>())))
        .Array[0, 8].Select(static parts => (parts.SelectMany(static part => part.Item1).ToArray(), parts.SelectMany(static part => part.Item2).ToList()));

    [Fact]
    public void Commands_are_the_same_however_their_bytes_are_cut() =>
        Gen.Select(_conversation, Gen.Int[1, 400].Array[0, 20]).Sample(static (said, cuts) =>
        {
            AssertSame(said.Meant, Read([said.Sent], out string? error));
            Assert.Null(error);
            AssertSame(said.Meant, Read(Cut(said.Sent, cuts), out error));
            Assert.Null(error);
            AssertSame(said.Meant, Read(said.Sent.Chunk(1), out error));
            Assert.Null(error);
        }, iter: 1000, threads: 1);

    [Fact]
    public void Any_bytes_are_commands_or_one_error_the_same_however_they_are_cut() =>
        Gen.Select(_conversation, _byte.Array[0, 60], Gen.Int[1, 40].Array[0, 20]).Sample(static (said, noise, cuts) =>
        {
            byte[] sent = [.. said.Sent, .. noise];
            List<byte[][]> whole = Read([sent], out string? error);
            AssertSame(said.Meant, whole[..said.Meant.Count]);
            AssertSame(whole, Read(Cut(sent, cuts), out string? cutError));
            Assert.Equal(error, cutError);
            AssertSame(whole, Read(sent.Chunk(1), out cutError));
            Assert.Equal(error, cutError);
        }, iter: 3000, threads: 1);

    /// <summary>Scaled by SWITCHBOARD_SCALE: 50 makes it a million inputs.</summary>
    [Fact]
    public void Garbage_gives_the_same_commands_and_the_same_end_however_it_is_cut() =>
        Gen.Select(_byte.Array[1, 60], Gen.Int[1, 100], Gen.Int[1, 20].Array[0, 4]).Sample(static (sent, limit, cuts) =>
        {
            List<byte[][]> whole = Read([sent], out string? error, limit);
            List<byte[][]> cut = Read(Cut(sent, cuts), out string? cutError, limit);
            return error == cutError && whole.Count == cut.Count
                && whole.Zip(cut).All(static pair => pair.First.Length == pair.Second.Length && pair.First.Zip(pair.Second).All(static two => two.First.AsSpan().SequenceEqual(two.Second)));
        }, iter: Scale.Of(20_000));

    /// <summary>Whatever comes, a command that does not end is given up within its limit, or that of a line.</summary>
    [Fact]
    public void Bytes_that_never_end_a_command_are_an_error_before_they_are_many() =>
        Gen.Select(_byte.Array[0, 30], _byte.Array[1, 20], Gen.Int[1, 2000]).Sample(static (first, again, limit) =>
        {
            const int MostOfALine = 64 * 1024;
            using var reader = new RespReader(limit);
            byte[] piece = [.. first];
            try
            {
                for (int i = 0; i < 1000; i++)
                {
                    reader.Take(piece);
                    while (reader.TryRead(out _))
                    {
                    }
                    reader.Keep();
                    Assert.InRange(reader.KeptLength, 0, Math.Max(limit, MostOfALine) + 4000);
                    piece = [.. Enumerable.Repeat(again, 200).SelectMany(static bytes => bytes)];
                }
            }
            catch (InvalidDataException)
            {
                // Given up, and early enough.
            }
        }, iter: Scale.Of(20));

    [Theory]
    [InlineData("PING\n", "PING")]
    [InlineData(" SET\ta  b \r\n", "SET|a|b")]
    [InlineData("SET k \"a b\"\r\n", "SET|k|a b")]
    [InlineData("SET k 'a \"b'\r\n", "SET|k|a \"b")]
    [InlineData("SET k \"\" ''\r\n", "SET|k||")]
    [InlineData("a\"b c\"\r\n", "ab c")]
    [InlineData("\"\\x41\\x0a\\n\\r\\t\\b\\a\\\\\\\"\\q\\xz\"\r\n", "A\n\n\r\t\b\a\\\"qxz")]
    [InlineData("'it\\'s \\n'\r\n", "it's \\n")]
    [InlineData("'a\\\\b\"'\r\n", "a\\\\b\"")]
    public void A_line_is_split_into_words_as_a_shell_does(string line, string words)
    {
        List<byte[][]> commands = Read([Encoding.Latin1.GetBytes(line)], out string? error);
        Assert.Null(error);
        Assert.Equal(words, string.Join('|', Assert.Single(commands).Select(Encoding.Latin1.GetString)));
    }

    [Theory]
    [InlineData(1000, 980, null)]
    [InlineData(1000, 1000, "invalid bulk length")]
    [InlineData(1000, 2_000_000_000, "invalid bulk length")]
    public void A_value_beyond_the_limit_is_refused_when_it_is_announced(int limit, int length, string? expected)
    {
        using var reader = new RespReader(limit);
        reader.Take(Encoding.ASCII.GetBytes($"*1\r\n${length}\r\n"));
        Exception? thrown = Record.Exception(() => reader.TryRead(out _));
        Assert.Equal(expected, thrown?.Message);
    }

    [Fact]
    public void Many_small_arguments_count_against_the_limit_too()
    {
        const int Most = 6000;
        Read([Resp.Command([.. Enumerable.Repeat("", (Most / 6) - 10)])], out string? error, Most);
        Assert.Null(error);
        Read([Resp.Command([.. Enumerable.Repeat("", (Most / 6) + 1)])], out error, Most);
        Assert.Equal("invalid multibulk length", error);
        Read([Resp.Command([.. Enumerable.Repeat("12345", Most / 10)])], out error, Most);
        Assert.Equal("invalid bulk length", error);
    }

    private static List<byte[][]> Read(IEnumerable<byte[]> pieces, out string? error, int limit = Limit)
    {
        List<byte[][]> commands = [];
        using var reader = new RespReader(limit);
        try
        {
            foreach (byte[] piece in pieces)
            {
                byte[] lent = [.. piece];
                reader.Take(lent);
                while (reader.TryRead(out RespCommand command))
                {
                    var arguments = new byte[command.Count][];
                    for (int i = 0; i < arguments.Length; i++)
                    {
                        arguments[i] = command[i].ToArray();
                    }
                    commands.Add(arguments);
                }
                reader.Keep();
                // From here on the piece is somebody else's.
                Array.Fill(lent, (byte)'!');
            }
            error = null;
        }
        catch (InvalidDataException exception)
        {
            error = exception.Message;
        }
        return commands;
    }

    private static IEnumerable<byte[]> Cut(byte[] bytes, int[] lengths)
    {
        int from = 0;
        foreach (int length in lengths)
        {
            int to = Math.Min(from + length, bytes.Length);
            yield return bytes[from..to];
            from = to;
        }
        yield return bytes[from..];
    }

    private static byte[] Line(byte[][] words) => [.. words.SelectMany(static word => word.Append((byte)' ')), .. "\r\n"u8];

    private static void AssertSame(List<byte[][]> expected, List<byte[][]> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.Equal(expected[i], actual[i]);
        }
    }
}
