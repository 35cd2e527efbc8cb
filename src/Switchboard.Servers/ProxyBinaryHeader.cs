using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Numerics;

namespace Switchboard.Servers;

/// <summary>Version 2 of the PROXY protocol: a signature, a command, a family, a length, addresses, and values.</summary>
internal static class ProxyBinaryHeader
{
    private const int FixedLength = 16;
    private const int UnixPathLength = 108;
    private const int ValueHeader = 3;
    private const byte ChecksumType = 3;
    private const byte PaddingType = 4;

    private static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    internal static bool TryRead(ReadOnlySpan<byte> received, out ProxyHeader? header, out int length)
    {
        header = null;
        length = 0;
        int known = Math.Min(received.Length, Signature.Length);
        if (!received[..known].SequenceEqual(Signature[..known]))
        {
            throw new InvalidDataException("What came first is no PROXY header.");
        }
        if (received.Length < FixedLength)
        {
            return false;
        }
        length = FixedLength + BinaryPrimitives.ReadUInt16BigEndian(received[14..]);
        if (length > ProxyHeader.LongestLength)
        {
            throw new InvalidDataException($"The PROXY header announces {length} bytes; {ProxyHeader.LongestLength} are taken at most.");
        }
        (int version, int command) = (received[12] >> 4, received[12] & 15);
        if (version != 2 || command > 1)
        {
            throw new InvalidDataException($"The PROXY header has version {version} and command {command}; the versions are 1 and 2, the commands 0 and 1.");
        }
        if (received.Length < length)
        {
            return false;
        }
        header = Parse(received[..length], isLocal: command == 0);
        return true;
    }

    private static ProxyHeader Parse(ReadOnlySpan<byte> whole, bool isLocal)
    {
        byte family = whole[13];
        ReadOnlySpan<byte> rest = whole[FixedLength..];
        // Of a connection of the proxy's own the addresses are to be skipped, whatever they are.
        if (isLocal)
        {
            return new ProxyHeader(2);
        }
        EndPoint? source = null;
        EndPoint? destination = null;
        switch (family)
        {
            case 0x00:
                break;
            case 0x11:
                (source, destination) = Internet(ref rest, 4);
                break;
            case 0x21:
                (source, destination) = Internet(ref rest, 16);
                break;
            case 0x31:
                ReadOnlySpan<byte> paths = Addresses(ref rest, 2 * UnixPathLength);
                (source, destination) = (Path(paths[..UnixPathLength]), Path(paths[UnixPathLength..]));
                break;
            default:
                throw new InvalidDataException($"The PROXY header is of the family 0x{family:x2}, which is no stream over IPv4 (0x11), IPv6 (0x21) or Unix sockets (0x31).");
        }
        return new ProxyHeader(2, source, destination, Values(rest, whole));
    }

    private static (EndPoint Source, EndPoint Destination) Internet(ref ReadOnlySpan<byte> rest, int size)
    {
        ReadOnlySpan<byte> bytes = Addresses(ref rest, 2 * size + 4);
        return (new IPEndPoint(new IPAddress(bytes[..size]), BinaryPrimitives.ReadUInt16BigEndian(bytes[(2 * size)..])),
            new IPEndPoint(new IPAddress(bytes.Slice(size, size)), BinaryPrimitives.ReadUInt16BigEndian(bytes[(2 * size + 2)..])));
    }

    private static ReadOnlySpan<byte> Addresses(ref ReadOnlySpan<byte> rest, int size)
    {
        if (rest.Length < size)
        {
            throw new InvalidDataException($"The PROXY header has {rest.Length} bytes for addresses that take {size}.");
        }
        ReadOnlySpan<byte> taken = rest[..size];
        rest = rest[size..];
        return taken;
    }

    private static UnixDomainSocketEndPoint? Path(ReadOnlySpan<byte> bytes)
    {
        // An abstract address begins with a zero; without one, nobody was bound.
        int end = bytes[1..].IndexOf((byte)0) + 1;
        ReadOnlySpan<byte> path = end == 0 ? bytes : bytes[..end];
        return path is [0] ? null : new UnixDomainSocketEndPoint(System.Text.Encoding.UTF8.GetString(path));
    }

    private static List<ProxyValue> Values(ReadOnlySpan<byte> rest, ReadOnlySpan<byte> whole)
    {
        List<ProxyValue> values = [];
        while (!rest.IsEmpty)
        {
            int size = rest.Length < ValueHeader ? int.MaxValue : BinaryPrimitives.ReadUInt16BigEndian(rest[1..]);
            if (size > rest.Length - ValueHeader)
            {
                throw new InvalidDataException("A value in the PROXY header is longer than the header.");
            }
            ReadOnlySpan<byte> value = rest.Slice(ValueHeader, size);
            if (rest[0] == ChecksumType)
            {
                Check(whole, whole.Length - rest.Length + ValueHeader, value);
            }
            else if (rest[0] != PaddingType)
            {
                values.Add(new ProxyValue(rest[0], value.ToArray()));
            }
            rest = rest[(ValueHeader + size)..];
        }
        return values;
    }

    /// <summary>CRC32c over the header, the checksum itself taken as zeros.</summary>
    private static void Check(ReadOnlySpan<byte> whole, int at, ReadOnlySpan<byte> said)
    {
        uint sum = uint.MaxValue;
        for (int i = 0; i < whole.Length; i++)
        {
            sum = BitOperations.Crc32C(sum, i >= at && i < at + said.Length ? (byte)0 : whole[i]);
        }
        if (said.Length != 4 || BinaryPrimitives.ReadUInt32BigEndian(said) != ~sum)
        {
            throw new InvalidDataException("The checksum of the PROXY header is wrong.");
        }
    }
}
