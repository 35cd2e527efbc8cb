using System.Buffers;

namespace Switchboard.Samples.MiniRedis;

/// <summary>The words of a line, as a shell has them: between spaces, "with \"escapes\" \x41" or 'without'.</summary>
/// <param name="line">The line, without its end.</param>
internal ref struct InlineWords(ReadOnlySpan<byte> line)
{
    private static readonly SearchValues<byte> _quotes = SearchValues.Create("\"'"u8);

    private readonly ReadOnlySpan<byte> _line = line;

    // What quoted words say is never longer than how they are written.
    private readonly byte[]? _copy = line.ContainsAny(_quotes) ? new byte[line.Length] : null;
    private int _position;
    private int _copied;

    /// <summary>Where the words that were read stand.</summary>
    public readonly ReadOnlySpan<byte> Text => _copy ?? _line;

    /// <summary>Reads the next word.</summary>
    /// <exception cref="InvalidDataException">A quote has no end, or more than a space behind it.</exception>
    public bool TryRead(out int start, out int length)
    {
        while (_position < _line.Length && IsSpace(_line[_position]))
        {
            _position++;
        }
        start = _copy is null ? _position : _copied;
        length = 0;
        if (_position == _line.Length)
        {
            return false;
        }
        while (_position < _line.Length && !IsSpace(_line[_position]))
        {
            byte next = _line[_position++];
            if (_copy is null)
            {
                continue;
            }
            if (next is (byte)'"' or (byte)'\'')
            {
                CopyQuoted(next);
                break;
            }
            _copy[_copied++] = next;
        }
        length = (_copy is null ? _position : _copied) - start;
        return true;
    }

    private void CopyQuoted(byte quote)
    {
        while (_position < _line.Length)
        {
            byte next = _line[_position++];
            if (next == quote)
            {
                if (_position < _line.Length && !IsSpace(_line[_position]))
                {
                    break;
                }
                return;
            }
            _copy![_copied++] = next == (byte)'\\' && _position < _line.Length ? Escaped(quote) : next;
        }
        throw new InvalidDataException("unbalanced quotes in request");
    }

    private byte Escaped(byte quote)
    {
        ReadOnlySpan<byte> rest = _line[_position..];
        if (quote == (byte)'\'')
        {
            // Nothing but the quote itself is escaped here.
            _position += rest[0] == quote ? 1 : 0;
            return rest[0] == quote ? quote : (byte)'\\';
        }
        if (rest is [(byte)'x', byte high, byte low, ..] && char.IsAsciiHexDigit((char)high) && char.IsAsciiHexDigit((char)low))
        {
            _position += 3;
            return Convert.FromHexString([(char)high, (char)low])[0];
        }
        _position++;
        return rest[0] switch
        {
            (byte)'n' => (byte)'\n',
            (byte)'r' => (byte)'\r',
            (byte)'t' => (byte)'\t',
            (byte)'b' => (byte)'\b',
            (byte)'a' => (byte)'\a',
            byte other => other,
        };
    }

    private static bool IsSpace(byte value) => value is (byte)' ' or (>= (byte)'\t' and <= (byte)'\r') or 0;
}
