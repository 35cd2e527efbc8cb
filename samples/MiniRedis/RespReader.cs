using System.Buffers;

namespace Switchboard.Samples.MiniRedis;

/// <summary>
/// Reads commands from bytes that come in pieces: arrays of bulk strings, and lines for those who type. Whole commands are
/// read where they stand; only one that is cut off is kept, together with how far it was read.
/// </summary>
/// <remarks>For each piece: <see cref="Take"/> it, <see cref="TryRead"/> until there is no more, and <see cref="Keep"/>
/// the rest before the piece becomes invalid. What can't be a command throws <see cref="InvalidDataException"/>, in the
/// words of Redis.</remarks>
/// <param name="limit">The most bytes of a command.</param>
internal sealed class RespReader(int limit) : IDisposable
{
    private const int MostOfALine = 64 * 1024;
    private const int UsualArguments = 8;
    private const string BadCount = "invalid multibulk length";
    private const string BadLength = "invalid bulk length";

    private static readonly int _leastArgument = "$0\r\n\r\n".Length;

    // What was received; the command that is being read begins at _start.
    private ReadOnlyMemory<byte> _bytes;
    private int _start;
    private byte[]? _kept;
    private int _keptLength;

    // How far that command was read, counted from its beginning.
    private int _position;
    private int _expected;
    private int _length = -1;
    private int _count;
    private (int Start, int Length)[] _arguments = new (int, int)[UsualArguments];

    /// <summary>How many bytes of a command that is cut off it keeps.</summary>
    public int KeptLength => _kept is null ? 0 : _keptLength;

    /// <summary>Takes the next piece, which must stay as it is until <see cref="Keep"/>.</summary>
    public void Take(ReadOnlyMemory<byte> piece)
    {
        _start = 0;
        if (_kept is null)
        {
            _bytes = piece;
            return;
        }
        int length = _keptLength + piece.Length;
        if (length > _kept.Length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(length, 2 * _keptLength));
            _kept.AsSpan(0, _keptLength).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_kept);
            _kept = larger;
        }
        piece.CopyTo(_kept.AsMemory(_keptLength));
        _bytes = _kept.AsMemory(0, length);
    }

    /// <summary>Reads the next command; empty ones are passed over.</summary>
    /// <returns>False if no whole command is there.</returns>
    public bool TryRead(out RespCommand command)
    {
        ReadOnlySpan<byte> bytes = _bytes.Span[_start..];
        while (!bytes.IsEmpty)
        {
            ReadOnlySpan<byte> text = bytes;
            if (!(bytes[0] == (byte)'*' ? TryReadArray(bytes) : TryReadLine(bytes, out text)))
            {
                break;
            }
            command = new RespCommand(text, _arguments.AsSpan(0, _count));
            bytes = bytes[_position..];
            _start += _position;
            (_position, _count) = (0, 0);
            if (command.Count > 0)
            {
                return true;
            }
        }
        command = default;
        return false;
    }

    /// <summary>Copies what is left, the beginning of a command. If nothing is, no buffer is held.</summary>
    public void Keep()
    {
        ReadOnlySpan<byte> rest = _bytes.Span[_start..];
        if (rest.IsEmpty)
        {
            Dispose();
            return;
        }
        _kept ??= ArrayPool<byte>.Shared.Rent(rest.Length);
        rest.CopyTo(_kept);
        _keptLength = rest.Length;
        (_bytes, _start) = (default, 0);
    }

    public void Dispose()
    {
        (_bytes, _start) = (default, 0);
        if (_kept is not null)
        {
            ArrayPool<byte>.Shared.Return(_kept);
            _kept = null;
        }
        if (_arguments.Length > UsualArguments)
        {
            _arguments = new (int, int)[UsualArguments];
        }
    }

    /// <summary>Reads <c>*COUNT</c> and as many <c>$LENGTH BYTES</c>.</summary>
    private bool TryReadArray(ReadOnlySpan<byte> bytes)
    {
        if (_position == 0)
        {
            if (!TryReadNumber(bytes, BadCount, out long count))
            {
                return false;
            }
            _expected = count <= limit / _leastArgument ? (int)Math.Max(count, 0) : throw new InvalidDataException(BadCount);
        }
        while (_count < _expected)
        {
            if (_length < 0)
            {
                if (_position == bytes.Length)
                {
                    return false;
                }
                if (bytes[_position] != (byte)'$')
                {
                    throw new InvalidDataException($"expected '$', got '{(char)bytes[_position]}'");
                }
                if (!TryReadNumber(bytes, BadLength, out long length))
                {
                    return false;
                }
                _length = length >= 0 && length <= limit - _position ? (int)length : throw new InvalidDataException(BadLength);
            }
            ReadOnlySpan<byte> rest = bytes[_position..];
            if (rest.Length - 2 < _length)
            {
                return false;
            }
            if (rest[_length] != (byte)'\r' || rest[_length + 1] != (byte)'\n')
            {
                throw new InvalidDataException(BadLength);
            }
            AddArgument(_position, _length);
            _position += _length + 2;
            _length = -1;
        }
        return true;
    }

    /// <summary>Reads a number and its line end, behind the byte at the position.</summary>
    private bool TryReadNumber(ReadOnlySpan<byte> bytes, string error, out long number)
    {
        ReadOnlySpan<byte> line = bytes[(_position + 1)..];
        if (line is [>= (byte)'0' and <= (byte)'9', (byte)'\r', (byte)'\n', ..])
        {
            // As nearly all are.
            number = line[0] - '0';
            _position += 4;
            return true;
        }
        int end = line.IndexOf((byte)'\r');
        if ((end < 0 ? line.Length : end) > RespInteger.MostDigits)
        {
            throw new InvalidDataException(error);
        }
        if (end < 0 || end + 1 == line.Length)
        {
            number = 0;
            return false;
        }
        if (!RespInteger.TryParse(line[..end], out number) || line[end + 1] != (byte)'\n')
        {
            throw new InvalidDataException(error);
        }
        _position += end + 3;
        return true;
    }

    /// <summary>Reads words up to a line end.</summary>
    /// <param name="bytes">What was received.</param>
    /// <param name="text">Where the words stand: there, or if some were quoted in a copy without the quotes.</param>
    private bool TryReadLine(ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> text)
    {
        text = bytes;
        int end = bytes[_position..].IndexOf((byte)'\n');
        if ((end < 0 ? bytes.Length : _position + end) > MostOfALine)
        {
            throw new InvalidDataException("too big inline request");
        }
        if (end < 0)
        {
            _position = bytes.Length;
            return false;
        }
        end += _position;
        var words = new InlineWords(bytes[..end]);
        while (words.TryRead(out int start, out int length))
        {
            AddArgument(start, length);
        }
        text = words.Text;
        _position = end + 1;
        return true;
    }

    private void AddArgument(int start, int length)
    {
        if (_count == _arguments.Length)
        {
            Array.Resize(ref _arguments, 2 * _count);
        }
        _arguments[_count++] = (start, length);
    }
}
