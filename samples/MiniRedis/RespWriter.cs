using System.Buffers;
using System.Text;

namespace Switchboard.Samples.MiniRedis;

/// <summary>Gathers replies in RESP2. It holds a buffer only while there are some.</summary>
internal sealed class RespWriter
{
    private const int UsualSize = 4 * 1024;

    private byte[] _buffer = [];

    /// <summary>How many bytes are gathered.</summary>
    public int Length { get; private set; }

    /// <summary>What is gathered, until <see cref="Release"/>.</summary>
    public ReadOnlyMemory<byte> Written => _buffer.AsMemory(0, Length);

    /// <summary>Drops what is gathered.</summary>
    public void Release()
    {
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            (_buffer, Length) = ([], 0);
        }
    }

    public void Ok() => Encoded("+OK\r\n"u8);

    /// <summary>The answer that there is nothing.</summary>
    public void Null() => Encoded("$-1\r\n"u8);

    public void Integer(long value) => Number(':', value);

    public void Array(int count) => Number('*', count);

    public void Bulk(ReadOnlySpan<byte> value)
    {
        Number('$', value.Length);
        Span<byte> room = Room(value.Length + 2);
        value.CopyTo(room);
        "\r\n"u8.CopyTo(room[value.Length..]);
        Length += value.Length + 2;
    }

    /// <summary>An error: a word in capitals, then a text. Line ends in it become spaces; each character is a byte.</summary>
    public void Error(string message)
    {
        Span<byte> room = Room(message.Length + 3);
        room[0] = (byte)'-';
        Span<byte> text = room.Slice(1, Encoding.Latin1.GetBytes(message, room[1..]));
        text.Replace((byte)'\r', (byte)' ');
        text.Replace((byte)'\n', (byte)' ');
        "\r\n"u8.CopyTo(room[(1 + text.Length)..]);
        Length += text.Length + 3;
    }

    /// <summary>A reply that is encoded already.</summary>
    public void Encoded(ReadOnlySpan<byte> reply)
    {
        reply.CopyTo(Room(reply.Length));
        Length += reply.Length;
    }

    private void Number(char type, long value)
    {
        Span<byte> room = Room(RespInteger.MostDigits + 3);
        room[0] = (byte)type;
        value.TryFormat(room[1..], out int digits);
        "\r\n"u8.CopyTo(room[(1 + digits)..]);
        Length += digits + 3;
    }

    private Span<byte> Room(int size)
    {
        if (_buffer.Length - Length < size)
        {
            Grow(size);
        }
        return _buffer.AsSpan(Length);
    }

    private void Grow(int size)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(UsualSize, Math.Max(Length + size, 2 * _buffer.Length)));
        _buffer.AsSpan(0, Length).CopyTo(larger);
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }
        _buffer = larger;
    }
}
