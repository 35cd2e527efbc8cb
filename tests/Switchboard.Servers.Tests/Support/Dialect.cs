using System.Buffers.Binary;
using System.Text;
using CsCheck;

namespace Switchboard.Servers.Tests;

/// <summary>A framing, with the writer's side that the framing itself does not have, and the messages that it can carry.</summary>
internal sealed record Dialect(Framing Framing, Gen<byte[]> Message, Func<byte[], byte[]> Encode)
{
    private static readonly byte[] _delimiter = "\r\n.\r\n"u8.ToArray();

    internal static Dialect Of(string name) => name switch
    {
        "packet" => new(Framing.Packet, Bytes(Gen.Byte).Where(message => message.Length > 0), message => message),
        "line LF" => new(Framing.Line, Bytes(Gen.Byte).Select(Line), message => [.. message, (byte)'\n']),
        "line CR LF" => new(Framing.Line, Bytes(Gen.Byte).Select(Line), message => [.. message, (byte)'\r', (byte)'\n']),
        "delimiter of one" => new(Framing.Delimiter([0]), Bytes(Gen.Byte[1, 255]), message => [.. message, 0]),
        // Contents of the delimiter's own bytes, so that it often seems to begin.
        "delimiter of five" => new(Framing.Delimiter(_delimiter), Bytes(Gen.Int[0, 3].Select(index => (byte)"\r\n.x"[index])).Select(WithoutDelimiter), message => [.. message, .. _delimiter]),
        "fixed size" => new(Framing.FixedSize(7), Gen.Byte.Array[7], message => message),
        "custom" => new(new TypedFraming(), Bytes(Gen.Byte).Where(message => message.Length < 60_000), TypedFraming.Encode),
        _ => Prefixed(name),
    };

    internal static readonly string[] Names =
    [
        "packet", "line LF", "line CR LF", "delimiter of one", "delimiter of five", "fixed size", "custom",
        .. from size in (int[])[1, 2, 4, 8]
           from order in (string[])["big", "little"]
           from counted in (string[])["", " with itself"]
           select $"prefix {size} {order}{counted}",
    ];

    internal static TheoryData<string> All => [.. Names];

    private static Dialect Prefixed(string name)
    {
        int size = name["prefix ".Length] - '0';
        bool little = name.Contains("little", StringComparison.Ordinal);
        bool itself = name.Contains("itself", StringComparison.Ordinal);
        Gen<byte[]> message = size switch
        {
            1 => Gen.Byte.Array[0, 254],
            2 => Bytes(Gen.Byte).Where(bytes => bytes.Length < 60_000),
            _ => Bytes(Gen.Byte),
        };
        return new(Framing.LengthPrefix(size, little, itself), message, bytes => [.. Prefix(size, little, (ulong)bytes.Length + (itself ? (ulong)size : 0)), .. bytes]);
    }

    internal static byte[] Prefix(int size, bool little, ulong length)
    {
        var all = new byte[8];
        if (little)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(all, length);
            return all[..size];
        }
        BinaryPrimitives.WriteUInt64BigEndian(all, length);
        return all[^size..];
    }

    /// <summary>Mostly short, sometimes longer than the buffers of a read.</summary>
    private static Gen<byte[]> Bytes(Gen<byte> one) => Gen.Frequency((6, one.Array[0, 40]), (2, one.Array[1_000, 5_000]), (1, one.Array[16_000, 50_000]));

    private static byte[] Line(byte[] bytes) => [.. bytes.Select((one, index) => one == '\n' || (one == '\r' && index == bytes.Length - 1) ? (byte)' ' : one)];

    private static byte[] WithoutDelimiter(byte[] bytes)
    {
        byte[] clean = [.. bytes];
        int found;
        // What stands at the end may become a delimiter together with the beginning of the one that follows.
        while ((found = ((ReadOnlySpan<byte>)[.. clean, .. _delimiter]).IndexOf(_delimiter)) < clean.Length)
        {
            clean[found] = (byte)'x';
        }
        return clean;
    }
}

/// <summary>A framing as a user writes one: a letter, two bytes of length, the content, and a byte that sums it up.</summary>
internal sealed class TypedFraming : Framing
{
    public override int Overhead => 4;

    internal static byte[] Encode(byte[] message) => [(byte)'T', .. Dialect.Prefix(2, false, (ulong)message.Length), .. message, Sum(message)];

    public override bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced)
    {
        (frame, announced) = (default, 0);
        if (received[0] != 'T')
        {
            throw new InvalidDataException($"A message begins with T, not with {Encoding.ASCII.GetString(received[..1])}.");
        }
        if (received.Length < 3)
        {
            return false;
        }
        int length = BinaryPrimitives.ReadUInt16BigEndian(received[1..]);
        announced = length;
        if (received.Length < length + 4)
        {
            return false;
        }
        if (Sum(received.Slice(3, length)) != received[length + 3])
        {
            throw new InvalidDataException("The sum of a message is wrong.");
        }
        frame = new Frame(3, length, length + 4);
        return true;
    }

    private static byte Sum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte one in bytes)
        {
            sum += one;
        }
        return sum;
    }
}
