using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>Room for many datagrams that one call receives, <c>recvmmsg(2)</c>: bytes, senders, and where each came to.
/// Made once and used again; a receive allocates nothing. One thread at a time.</summary>
public sealed unsafe partial class DatagramBatch
{
    // Room for the addresses of both families, which the kernel tells of a socket for both.
    private const int ControlSize = 128;

    private readonly ManyHeader[] _headers;
    private readonly Part[] _parts;
    private readonly NativeAddress[] _peers;
    private readonly byte[] _controls;
    private readonly byte[] _buffer;
    private readonly int _size;
    private int _used;

    /// <summary>Makes room.</summary>
    /// <param name="capacity">How many datagrams, 1 to 1,024.</param>
    /// <param name="size">The longest that is taken whole, in bytes, 1 or more.</param>
    public DatagramBatch(int capacity, int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        _size = size;
        Capacity = capacity;
        _headers = GC.AllocateArray<ManyHeader>(capacity, pinned: true);
        _parts = GC.AllocateArray<Part>(capacity, pinned: true);
        _peers = GC.AllocateArray<NativeAddress>(capacity, pinned: true);
        _controls = GC.AllocateArray<byte>(capacity * ControlSize, pinned: true);
        // Pages that no datagram reaches are never touched, and so take no memory.
        _buffer = GC.AllocateUninitializedArray<byte>(checked(capacity * size), pinned: true);
        for (int i = 0; i < capacity; i++)
        {
            _parts[i] = new Part { Start = At(_buffer, i * size), Length = size };
            _headers[i].Header = new Header
            {
                Name = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_peers, i),
                Parts = (Part*)Marshal.UnsafeAddrOfPinnedArrayElement(_parts, i),
                PartCount = 1,
                Control = At(_controls, i * ControlSize),
            };
        }
        _used = capacity;
    }

    /// <summary>How many datagrams fit.</summary>
    public int Capacity { get; }

    /// <summary>Receives as many as are there and fit, without waiting.</summary>
    /// <param name="descriptor">A datagram socket.</param>
    /// <returns>How many, 1 or more, or the error: EAGAIN if none is there.</returns>
    public CallResult Receive(int descriptor)
    {
        // What the last receive left alone is as it was.
        for (int i = 0; i < _used; i++)
        {
            _headers[i].Header.NameLength = NativeAddress.Capacity;
            _headers[i].Header.ControlLength = ControlSize;
            _headers[i].Length = 0;
        }
        CallResult result;
        do
        {
            // The whole length is told of a datagram that does not fit.
            result = CallResult.Of(recvmmsg(descriptor, (ManyHeader*)Marshal.UnsafeAddrOfPinnedArrayElement(_headers, 0), (uint)Capacity,
                (int)(SocketCallFlags.DontWait | SocketCallFlags.Truncate), 0));
        }
        while (result.Errno == Errno.Interrupted);
        int count = result.Succeeded ? result.Value : 0;
        for (int i = 0; i < count; i++)
        {
            _peers[i].Length = Math.Min((int)_headers[i].Header.NameLength, NativeAddress.Capacity);
        }
        // The one after the last was begun.
        _used = Math.Min(count + 1, Capacity);
        return result;
    }

    /// <summary>The bytes of a datagram; valid until the next receive.</summary>
    /// <param name="index">0 to one less than what was received.</param>
    /// <returns>What fitted.</returns>
    public ReadOnlySpan<byte> Data(int index) => _buffer.AsSpan(index * _size, Math.Min(OriginalLength(index), _size));

    /// <summary>How long a datagram was when it was sent.</summary>
    /// <param name="index">0 to one less than what was received.</param>
    /// <returns>Bytes; more than <see cref="Data"/> has if its end is lost.</returns>
    public int OriginalLength(int index) => (int)_headers[index].Length;

    /// <summary>Who sent a datagram.</summary>
    /// <param name="index">0 to one less than what was received.</param>
    /// <returns>The address; valid until the next receive.</returns>
    public ref readonly NativeAddress Peer(int index) => ref _peers[index];

    /// <summary>Where a datagram came to, if the socket was told to say so: <see cref="SocketCallOption.IPv4PacketInfo"/>,
    /// <see cref="SocketCallOption.IPv6PacketInfo"/>.</summary>
    /// <param name="index">0 to one less than what was received.</param>
    /// <returns>The way; not known if the kernel did not tell.</returns>
    public DatagramPath Path(int index) =>
        DatagramPath.Read(_controls.AsSpan(index * ControlSize, (int)Math.Min((nuint)ControlSize, _headers[index].Header.ControlLength)));

    private static byte* At(byte[] pinned, int index) => (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(pinned, index);

    [LibraryImport(LibC.Name)]
    private static partial int recvmmsg(int descriptor, ManyHeader* messages, uint count, int flags, nint timeout);

    /// <summary>struct iovec.</summary>
    internal struct Part
    {
        internal byte* Start;
        internal nint Length;
    }

    /// <summary>struct msghdr.</summary>
    internal struct Header
    {
        internal byte* Name;
        internal uint NameLength;
        internal Part* Parts;
        internal nuint PartCount;
        internal byte* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    /// <summary>struct mmsghdr.</summary>
    private struct ManyHeader
    {
        internal Header Header;
        internal uint Length;
    }
}
