using System.Buffers.Binary;

namespace Switchboard.Servers;

/// <summary>Where a message stands in the bytes received so far.</summary>
/// <param name="Start">Where its content begins.</param>
/// <param name="Length">How long its content is.</param>
/// <param name="Consumed">How many bytes it takes with its delimiters and prefixes, from the beginning of the bytes; 1
/// or more.</param>
public readonly record struct Frame(int Start, int Length, int Consumed);

/// <summary>
/// How a stream of bytes is cut into messages. A framing has no state, so that one object serves all connections and
/// threads. Derive from it for one of your own.
/// </summary>
public abstract class Framing
{
    /// <summary>What one read returns is a message: no framing at all. For interactive programs and raw clients; TCP may
    /// cut or join what the peer sent.</summary>
    public static Framing Packet { get; } = new PacketFraming();

    /// <summary>Lines that end with LF or CR LF, which is not part of the message. What stands after the last line end
    /// when the peer closes is a message too.</summary>
    public static Framing Line { get; } = new LineFraming();

    /// <summary>Messages that end with a delimiter, which is not part of the message.</summary>
    /// <param name="delimiter">1 byte or more.</param>
    /// <returns>The framing.</returns>
    public static Framing Delimiter(ReadOnlySpan<byte> delimiter) => new DelimiterFraming(delimiter.ToArray());

    /// <summary>Messages with their length before them, as an unsigned integer.</summary>
    /// <param name="size">The length's size in bytes: 1, 2, 4 or 8.</param>
    /// <param name="littleEndian">True for the least significant byte first; network order otherwise.</param>
    /// <param name="includesPrefix">True if the length counts its own bytes too.</param>
    /// <returns>The framing; messages come without their length.</returns>
    public static Framing LengthPrefix(int size = 4, bool littleEndian = false, bool includesPrefix = false) =>
        new LengthPrefixFraming(size, littleEndian, includesPrefix);

    /// <summary>Messages of one size.</summary>
    /// <param name="size">The size in bytes, 1 or more, and no more than <see cref="ConnectionLimits.Message"/> of the
    /// connections that it cuts: reading then fails with an <see cref="InvalidOperationException"/>.</param>
    /// <returns>The framing.</returns>
    public static Framing FixedSize(int size) => new FixedSizeFraming(size);

    /// <summary>Finds the first message.</summary>
    /// <param name="received">The bytes that no message has taken yet; not empty.</param>
    /// <param name="examined">How many of them were there when this was last asked and found nothing, so that they need
    /// not be searched again; 0 the first time.</param>
    /// <param name="frame">Where the message stands, if there is one.</param>
    /// <param name="announced">How long the message's content will be, if that is known by now; 0 if not. More than the
    /// limit ends the connection before it is received.</param>
    /// <returns>True if a whole message is there.</returns>
    /// <exception cref="InvalidDataException">The bytes can't be a message; ends the connection.</exception>
    public abstract bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced);

    /// <summary>The most bytes that may stand around the content of a message that is not whole yet (a line end, a
    /// delimiter, a header); they don't count against the limit. 0 unless overridden.</summary>
    public virtual int Overhead => 0;

    /// <summary>What the bytes that are left mean when the peer has ended its direction.</summary>
    /// <param name="rest">The bytes; not empty.</param>
    /// <returns>The last message, or null if the bytes are an unfinished one, which is an error. The default.</returns>
    public virtual Frame? ReadRest(ReadOnlySpan<byte> rest) => null;

    /// <summary>The size that every message has, if the framing says so by itself.</summary>
    internal virtual int? MessageSize => null;

    private sealed class PacketFraming : Framing
    {
        public override bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced)
        {
            announced = 0;
            frame = new Frame(0, received.Length, received.Length);
            return true;
        }
    }

    private sealed class LineFraming : Framing
    {
        public override int Overhead => 1;

        public override bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced)
        {
            announced = 0;
            int found = received[examined..].IndexOf((byte)'\n');
            if (found < 0)
            {
                frame = default;
                return false;
            }
            int end = examined + found;
            frame = new Frame(0, WithoutReturn(received[..end]), end + 1);
            return true;
        }

        public override Frame? ReadRest(ReadOnlySpan<byte> rest) => new Frame(0, WithoutReturn(rest), rest.Length);

        private static int WithoutReturn(ReadOnlySpan<byte> line) => line is [.., (byte)'\r'] ? line.Length - 1 : line.Length;
    }

    private sealed class DelimiterFraming : Framing
    {
        private readonly byte[] _delimiter;

        internal DelimiterFraming(byte[] delimiter)
        {
            _delimiter = delimiter.Length > 0 ? delimiter : throw new ArgumentException("The delimiter must have 1 byte or more.", nameof(delimiter));
        }

        public override int Overhead => _delimiter.Length - 1;

        public override bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced)
        {
            announced = 0;
            // The delimiter may have begun in what was examined.
            int from = Math.Max(0, examined - _delimiter.Length + 1);
            int found = received[from..].IndexOf(_delimiter);
            frame = found < 0 ? default : new Frame(0, from + found, from + found + _delimiter.Length);
            return found >= 0;
        }
    }

    private sealed class LengthPrefixFraming : Framing
    {
        private readonly int _size;
        private readonly bool _littleEndian;
        private readonly bool _includesPrefix;

        internal LengthPrefixFraming(int size, bool littleEndian, bool includesPrefix)
        {
            if (size is not (1 or 2 or 4 or 8))
            {
                throw new ArgumentOutOfRangeException(nameof(size), size, "A length prefix has 1, 2, 4 or 8 bytes.");
            }
            (_size, _littleEndian, _includesPrefix) = (size, littleEndian, includesPrefix);
        }

        public override int Overhead => _size;

        public override bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced)
        {
            frame = default;
            announced = 0;
            if (received.Length < _size)
            {
                return false;
            }
            ulong length = ReadLength(received[.._size]);
            if (_includesPrefix && length < (ulong)_size)
            {
                throw new InvalidDataException($"The length prefix says {length} bytes in all, less than its own {_size}.");
            }
            announced = (long)Math.Min(_includesPrefix ? length - (ulong)_size : length, long.MaxValue);
            if (received.Length - _size < announced)
            {
                return false;
            }
            frame = new Frame(_size, (int)announced, _size + (int)announced);
            return true;
        }

        private ulong ReadLength(ReadOnlySpan<byte> prefix) => (_size, _littleEndian) switch
        {
            (1, _) => prefix[0],
            (2, true) => BinaryPrimitives.ReadUInt16LittleEndian(prefix),
            (2, false) => BinaryPrimitives.ReadUInt16BigEndian(prefix),
            (4, true) => BinaryPrimitives.ReadUInt32LittleEndian(prefix),
            (4, false) => BinaryPrimitives.ReadUInt32BigEndian(prefix),
            (_, true) => BinaryPrimitives.ReadUInt64LittleEndian(prefix),
            _ => BinaryPrimitives.ReadUInt64BigEndian(prefix),
        };
    }

    private sealed class FixedSizeFraming : Framing
    {
        private readonly int _size;

        internal FixedSizeFraming(int size)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
            _size = size;
        }

        internal override int? MessageSize => _size;

        public override bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced)
        {
            announced = _size;
            frame = new Frame(0, _size, _size);
            return received.Length >= _size;
        }
    }
}
