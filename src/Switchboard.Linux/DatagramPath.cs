using System.Net;
using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>The way that a datagram came, as the kernel tells it of sockets that have no address of their own: the address
/// that it was sent to, by which an answer must leave, and the network interface (<c>ip(7)</c>, <c>ipv6(7)</c>).</summary>
public readonly struct DatagramPath : IEquatable<DatagramPath>
{
    private const int LevelIPv4 = 0;
    private const int LevelIPv6 = 41;
    private const int InfoIPv4 = 8;
    private const int InfoIPv6 = 50;
    private const int HeaderSize = 16;

    /// <summary>The most bytes that <see cref="Write"/> writes.</summary>
    internal const int MostBytes = 40;

    private readonly UInt128 _destination;
    private readonly uint _answerFrom;
    private readonly int _level;

    private DatagramPath(int level, UInt128 destination, uint answerFrom, int networkInterface)
    {
        _level = level;
        _destination = destination;
        _answerFrom = answerFrom;
        Interface = networkInterface;
        IsKnown = true;
    }

    /// <summary>True if the kernel has told.</summary>
    public bool IsKnown { get; }

    /// <summary>The number of the network interface by which it came; 0 if that is not known.</summary>
    public int Interface { get; }

    /// <summary>The address that it was sent to: one of this machine's, a multicast group or a broadcast address; null if
    /// that is not known.</summary>
    public IPAddress? Destination
    {
        get
        {
            if (!IsKnown)
            {
                return null;
            }
            Span<byte> bytes = stackalloc byte[16];
            MemoryMarshal.Write(bytes, _destination);
            return new IPAddress(bytes[..(_level == LevelIPv4 ? 4 : 16)]);
        }
    }

    /// <summary>Reads what a receive has put beside a datagram.</summary>
    internal static DatagramPath Read(ReadOnlySpan<byte> control)
    {
        DatagramPath found = default;
        while (control.Length >= HeaderSize)
        {
            int length = (int)MemoryMarshal.Read<nuint>(control);
            int level = MemoryMarshal.Read<int>(control[8..]);
            int type = MemoryMarshal.Read<int>(control[12..]);
            if (length < HeaderSize || length > control.Length)
            {
                break;
            }
            ReadOnlySpan<byte> data = control[HeaderSize..length];
            if (level == LevelIPv4 && type == InfoIPv4 && data.Length >= 12)
            {
                Span<byte> destination = stackalloc byte[16];
                data[8..12].CopyTo(destination);
                // An IPv4 datagram on a socket for both is told in both ways; only this one says whence an answer to a group goes.
                return new DatagramPath(LevelIPv4, MemoryMarshal.Read<UInt128>(destination), MemoryMarshal.Read<uint>(data[4..]), MemoryMarshal.Read<int>(data));
            }
            if (level == LevelIPv6 && type == InfoIPv6 && data.Length >= 20)
            {
                found = new DatagramPath(LevelIPv6, MemoryMarshal.Read<UInt128>(data), 0, MemoryMarshal.Read<int>(data[16..]));
            }
            int aligned = (length + 7) & ~7;
            control = aligned < control.Length ? control[aligned..] : default;
        }
        return found;
    }

    /// <summary>Writes what has an answer leave by the address that was asked.</summary>
    /// <returns>How many bytes; 0 if the kernel is to choose.</returns>
    internal int Write(Span<byte> control)
    {
        if (!IsKnown)
        {
            return 0;
        }
        control.Clear();
        if (_level == LevelIPv4)
        {
            WriteHeader(control, LevelIPv4, InfoIPv4, 12);
            MemoryMarshal.Write(control[(HeaderSize + 4)..], _answerFrom);
            return HeaderSize + 16;
        }
        Span<byte> address = stackalloc byte[16];
        MemoryMarshal.Write(address, _destination);
        if (address[0] == 0xff)
        {
            // A group can't answer.
            return 0;
        }
        WriteHeader(control, LevelIPv6, InfoIPv6, 20);
        address.CopyTo(control[HeaderSize..]);
        bool isLinkLocal = address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
        MemoryMarshal.Write(control[(HeaderSize + 16)..], isLinkLocal ? Interface : 0);
        return HeaderSize + 24;
    }

    /// <inheritdoc/>
    public bool Equals(DatagramPath other) =>
        IsKnown == other.IsKnown && Interface == other.Interface && _level == other._level && _destination == other._destination && _answerFrom == other._answerFrom;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is DatagramPath other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Interface, _level, _destination, _answerFrom);

    /// <summary>Whether both are the same way.</summary>
    public static bool operator ==(DatagramPath left, DatagramPath right) => left.Equals(right);

    /// <summary>Whether they are different ways.</summary>
    public static bool operator !=(DatagramPath left, DatagramPath right) => !left.Equals(right);

    private static void WriteHeader(Span<byte> control, int level, int type, int length)
    {
        MemoryMarshal.Write(control, (nuint)(HeaderSize + length));
        MemoryMarshal.Write(control[8..], level);
        MemoryMarshal.Write(control[12..], type);
    }
}
