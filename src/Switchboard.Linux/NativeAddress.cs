using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>A socket address as the kernel writes it (sockaddr), kept without allocation until somebody asks for it as
/// an <see cref="EndPoint"/>. Two are equal if the kernel reads them as the same address, so one can be a dictionary's key.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct NativeAddress : IEquatable<NativeAddress>
{
    /// <summary>The longest address: struct sockaddr_un, 110 bytes, rounded up.</summary>
    internal const int Capacity = 112;

    private fixed byte _bytes[Capacity];

    /// <summary>How many bytes of it are meant.</summary>
    internal int Length;

    /// <summary>True for IPv4 and IPv6.</summary>
    public readonly bool IsInternet => Length >= sizeof(ushort) && _bytes[0] is 2 or 10 && _bytes[1] == 0;

    /// <summary>True if something can be sent to it: to an Internet address, or to a Unix socket that is bound.</summary>
    public readonly bool IsSpecified => Length > sizeof(ushort);

    /// <summary>An address for the kernel.</summary>
    /// <param name="endPoint">IPv4, IPv6 or Unix.</param>
    /// <returns>The same, as the kernel reads it.</returns>
    public static NativeAddress From(EndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        SocketAddress serialized = endPoint.Serialize();
        NativeAddress address = default;
        serialized.Buffer.Span[..serialized.Size].CopyTo(new Span<byte>(address._bytes, Capacity));
        address.Length = serialized.Size;
        return address;
    }

    /// <summary>The address as .NET has it.</summary>
    /// <returns>An <see cref="IPEndPoint"/> or <see cref="UnixDomainSocketEndPoint"/>, or null where there is none: a Unix client that is not bound.</returns>
    public readonly EndPoint? ToEndPoint()
    {
        if (Length < sizeof(ushort))
        {
            return null;
        }
        fixed (byte* p = _bytes)
        {
            switch (*(ushort*)p)
            {
                case 2:
                    return new IPEndPoint(new IPAddress(new ReadOnlySpan<byte>(p + 4, 4)), Port(p));
                case 10:
                    return new IPEndPoint(new IPAddress(new ReadOnlySpan<byte>(p + 8, 16), *(uint*)(p + 24)), Port(p));
                case 1:
                    // Only an address that was bound has a name; the kernel says so by its length.
                    if (Length <= 2)
                    {
                        return null;
                    }
                    var native = new SocketAddress(AddressFamily.Unix, Length);
                    new ReadOnlySpan<byte>(p, Length).CopyTo(native.Buffer.Span);
                    return new UnixDomainSocketEndPoint("/").Create(native);
                default:
                    return null;
            }
        }
    }

    /// <inheritdoc/>
    public readonly bool Equals(NativeAddress other) => Meant().SequenceEqual(other.Meant());

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is NativeAddress other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode()
    {
        HashCode hash = default;
        hash.AddBytes(Meant());
        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public override readonly string ToString() => ToEndPoint()?.ToString() ?? "no address";

    /// <summary>Whether both are the same address.</summary>
    public static bool operator ==(NativeAddress left, NativeAddress right) => left.Equals(right);

    /// <summary>Whether they are different addresses.</summary>
    public static bool operator !=(NativeAddress left, NativeAddress right) => !left.Equals(right);

    [UnscopedRef]
    private readonly ReadOnlySpan<byte> Meant() => MemoryMarshal.CreateReadOnlySpan(in _bytes[0], Length);

    private static int Port(byte* address) => (address[2] << 8) | address[3];
}
