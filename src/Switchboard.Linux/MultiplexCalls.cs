using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>What <c>poll(2)</c> is asked about a descriptor, and what it answers.</summary>
[Flags]
public enum PollEvents : short
{
    /// <summary>Nothing.</summary>
    None = 0,
    /// <summary>POLLIN: there is something to read, or the end of input.</summary>
    Readable = 1,
    /// <summary>POLLPRI: there is something exceptional, out-of-band data on a socket for one.</summary>
    Priority = 2,
    /// <summary>POLLOUT: something can be written.</summary>
    Writable = 4,
    /// <summary>POLLERR: an error is waiting; answered only.</summary>
    Error = 8,
    /// <summary>POLLHUP: the other side hung up; answered only.</summary>
    HangUp = 16,
    /// <summary>POLLNVAL: the number is not an open descriptor; answered only.</summary>
    NotOpen = 32,
    /// <summary>POLLRDNORM: ordinary data can be read; the same as <see cref="Readable"/>.</summary>
    ReadNormal = 0x40,
    /// <summary>POLLRDBAND: priority band data can be read; unused by Linux's own protocols.</summary>
    ReadBand = 0x80,
    /// <summary>POLLWRNORM: the same as <see cref="Writable"/>.</summary>
    WriteNormal = 0x100,
    /// <summary>POLLWRBAND: priority data may be written.</summary>
    WriteBand = 0x200,
    /// <summary>POLLMSG: without meaning on Linux.</summary>
    Message = 0x400,
    /// <summary>POLLRDHUP: the peer will write no more.</summary>
    ReadHangUp = 0x2000,
}

/// <summary>What <c>epoll(7)</c> is asked about a descriptor, and what it answers.</summary>
[Flags]
public enum EpollEvents : uint
{
    /// <summary>Nothing.</summary>
    None = 0,
    /// <summary>EPOLLIN: there is something to read, or the end of input.</summary>
    Readable = 1,
    /// <summary>EPOLLPRI: there is something exceptional.</summary>
    Priority = 2,
    /// <summary>EPOLLOUT: something can be written.</summary>
    Writable = 4,
    /// <summary>EPOLLERR: an error is waiting; always watched.</summary>
    Error = 8,
    /// <summary>EPOLLHUP: the other side hung up; always watched.</summary>
    HangUp = 16,
    /// <summary>EPOLLRDNORM: ordinary data can be read; the same as <see cref="Readable"/>.</summary>
    ReadNormal = 0x40,
    /// <summary>EPOLLRDBAND: priority band data can be read; unused by Linux's own protocols.</summary>
    ReadBand = 0x80,
    /// <summary>EPOLLWRNORM: the same as <see cref="Writable"/>.</summary>
    WriteNormal = 0x100,
    /// <summary>EPOLLWRBAND: priority data may be written.</summary>
    WriteBand = 0x200,
    /// <summary>EPOLLMSG: without meaning on Linux.</summary>
    Message = 0x400,
    /// <summary>EPOLLRDHUP: the peer will write no more.</summary>
    ReadHangUp = 0x2000,
    /// <summary>EPOLLEXCLUSIVE: of several epoll instances that watch it, wake few; only when adding.</summary>
    Exclusive = 1u << 28,
    /// <summary>EPOLLWAKEUP: keep the machine awake while the event is handled; needs CAP_BLOCK_SUSPEND.</summary>
    KeepAwake = 1u << 29,
    /// <summary>EPOLLONESHOT: report once, then not until modified.</summary>
    OneShot = 1u << 30,
    /// <summary>EPOLLET: report changes (edges) instead of states (levels).</summary>
    EdgeTriggered = 1u << 31,
}

/// <summary>One descriptor for <c>poll(2)</c>: struct pollfd.</summary>
/// <param name="descriptor">The number; a negative one is passed over by the kernel.</param>
/// <param name="interest">What to watch.</param>
public struct PollDescriptor(int descriptor, PollEvents interest)
{
    /// <summary>The number; a negative one is passed over.</summary>
    public int Descriptor { get; set; } = descriptor;
    /// <summary>What to watch.</summary>
    public PollEvents Interest { get; set; } = interest;
    /// <summary>What the kernel answered.</summary>
    public PollEvents Ready { get; set; }
}

/// <summary>A set of descriptors for <c>select(2)</c>: fd_set, numbers 0 to 1,023.</summary>
[InlineArray(16)]
public struct DescriptorSet
{
    /// <summary>The count of numbers that a set can hold: 1,024 (FD_SETSIZE).</summary>
    public const int Capacity = 1024;

    private ulong _bits;

    /// <summary>Puts a number in.</summary>
    /// <param name="descriptor">0 to 1,023.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is out of that range.</exception>
    public void Add(int descriptor)
    {
        if ((uint)descriptor >= Capacity)
        {
            throw new ArgumentOutOfRangeException(nameof(descriptor), descriptor, "select watches descriptors 0 to 1,023 only (FD_SETSIZE). Use poll or epoll for this one.");
        }
        this[descriptor >> 6] |= 1UL << (descriptor & 63);
    }

    /// <summary>Takes a number out; nothing if it is not in.</summary>
    /// <param name="descriptor">Any number.</param>
    public void Remove(int descriptor)
    {
        if ((uint)descriptor < Capacity)
        {
            this[descriptor >> 6] &= ~(1UL << (descriptor & 63));
        }
    }

    /// <summary>True if the number is in.</summary>
    /// <param name="descriptor">Any number.</param>
    /// <returns>Whether the set has it.</returns>
    public readonly bool Contains(int descriptor) =>
        (uint)descriptor < Capacity && (this[descriptor >> 6] & (1UL << (descriptor & 63))) != 0;
}

/// <summary>Room for what <c>epoll_wait(2)</c> answers; hides that struct epoll_event is packed on x64 only.</summary>
public sealed class EpollEventBuffer
{
    internal static readonly int Stride = RuntimeInformation.ProcessArchitecture is Architecture.X64 ? 12 : 16;
    internal static readonly int DataOffset = Stride - 8;
    internal readonly byte[] Bytes;

    /// <summary>Makes room for a number of events.</summary>
    /// <param name="capacity">1 or more.</param>
    public EpollEventBuffer(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        Capacity = capacity;
        Bytes = GC.AllocateUninitializedArray<byte>(capacity * Stride, pinned: true);
    }

    /// <summary>How many events fit.</summary>
    public int Capacity { get; }

    /// <summary>What the kernel said of the event at <paramref name="index"/>.</summary>
    /// <param name="index">0 to one less than what the wait returned.</param>
    /// <returns>The events, and the data given when the descriptor was added.</returns>
    public (EpollEvents Events, ulong Data) this[int index]
    {
        get
        {
            ReadOnlySpan<byte> at = Bytes.AsSpan(index * Stride, Stride);
            return ((EpollEvents)MemoryMarshal.Read<uint>(at), MemoryMarshal.Read<ulong>(at[DataOffset..]));
        }
    }
}

/// <summary>The multiplexing calls: <c>select(2)</c>, <c>poll(2)</c>, <c>epoll_create1(2)</c>, <c>epoll_ctl(2)</c>,
/// <c>epoll_wait(2)</c>. A wait interrupted by a signal goes on with the time that is left; timeouts are rounded up, so
/// no wait ends early. A null or negative timeout means for ever.</summary>
public static partial class MultiplexCalls
{
    private const int CloseOnExec = 0x80000;

    /// <summary>Waits as <c>select(2)</c>; the sets are changed to hold what is ready, nothing after a timeout.</summary>
    /// <param name="read">Numbers to watch for reading.</param>
    /// <param name="write">Numbers to watch for writing.</param>
    /// <param name="exceptional">Numbers to watch for exceptional conditions.</param>
    /// <param name="highest">The highest number in any set, -1 if all are empty.</param>
    /// <param name="timeout">How long to wait.</param>
    /// <returns>How many are ready over the three sets, 0 after the timeout.</returns>
    /// <exception cref="BadDescriptorException">One of the numbers is not open.</exception>
    public static unsafe int Select(ref DescriptorSet read, ref DescriptorSet write, ref DescriptorSet exceptional, int highest, TimeSpan? timeout)
    {
        DescriptorSet r, w, x;
        WaitTime wait = new(timeout);
        while (true)
        {
            (r, w, x) = (read, write, exceptional);
            TimeSpan left = wait.Left();
            TimeValue value = TimeValue.RoundUp(left);
            CallResult result = CallResult.Of(select(highest + 1, &r, &w, &x, left < TimeSpan.Zero ? null : &value));
            if (result.Errno == Errno.Interrupted)
            {
                continue;
            }
            result.OrThrow("select", "one of the descriptors");
            if (result.Value == 0)
            {
                (r, w, x) = (default, default, default);
            }
            (read, write, exceptional) = (r, w, x);
            return result.Value;
        }
    }

    /// <summary>Waits as <c>poll(2)</c>; <see cref="PollDescriptor.Ready"/> of each entry is set.</summary>
    /// <param name="descriptors">What to watch. A number that is not open answers <see cref="PollEvents.NotOpen"/>.</param>
    /// <param name="timeout">How long to wait.</param>
    /// <returns>How many entries are ready, 0 after the timeout.</returns>
    /// <exception cref="SystemCallException">The kernel refused: more entries than the limit of open files, for example.</exception>
    public static unsafe int Poll(Span<PollDescriptor> descriptors, TimeSpan? timeout)
    {
        WaitTime wait = new(timeout);
        fixed (PollDescriptor* p = descriptors)
        {
            while (true)
            {
                int asked = wait.LeftMilliseconds();
                CallResult result = CallResult.Of(poll(p, (nuint)descriptors.Length, asked));
                if (result.Errno != Errno.Interrupted && !(result.Value == 0 && wait.IsLongerThan(asked)))
                {
                    return result.OrThrow("poll");
                }
            }
        }
    }

    /// <summary>Makes an epoll instance, close-on-exec.</summary>
    /// <returns>The instance; the caller disposes it.</returns>
    /// <exception cref="DescriptorLimitException">No descriptor is free.</exception>
    public static DescriptorHandle CreateEpoll() =>
        new(CallResult.Of(epoll_create1(CloseOnExec)).OrThrow("epoll_create1"));

    /// <summary>Adds a descriptor, as <c>epoll_ctl(2)</c> EPOLL_CTL_ADD.</summary>
    /// <param name="epoll">The instance.</param>
    /// <param name="descriptor">The number to watch.</param>
    /// <param name="events">What to watch, and how.</param>
    /// <param name="data">Comes back with each event.</param>
    /// <returns>Success or the error: EEXIST, EPERM for a regular file, EBADF and others.</returns>
    public static CallResult EpollAdd(int epoll, int descriptor, EpollEvents events, ulong data) => Control(epoll, 1, descriptor, events, data);

    /// <summary>Changes what is watched, as EPOLL_CTL_MOD.</summary>
    /// <param name="epoll">The instance.</param>
    /// <param name="descriptor">The number watched.</param>
    /// <param name="events">What to watch from now on.</param>
    /// <param name="data">Comes back with each event.</param>
    /// <returns>Success or the error: ENOENT if it is not watched, and others.</returns>
    public static CallResult EpollModify(int epoll, int descriptor, EpollEvents events, ulong data) => Control(epoll, 3, descriptor, events, data);

    /// <summary>Takes a descriptor out, as EPOLL_CTL_DEL.</summary>
    /// <param name="epoll">The instance.</param>
    /// <param name="descriptor">The number watched.</param>
    /// <returns>Success or the error: ENOENT if it is not watched, EBADF if it is closed.</returns>
    public static CallResult EpollRemove(int epoll, int descriptor) => Control(epoll, 2, descriptor, default, 0);

    /// <summary>Waits as <c>epoll_wait(2)</c>.</summary>
    /// <param name="epoll">The instance.</param>
    /// <param name="ready">Filled with what is ready.</param>
    /// <param name="timeout">How long to wait.</param>
    /// <param name="limit">How many events to take at most, 1 or more; the buffer's capacity if that is less.</param>
    /// <returns>How many events there are, 0 after the timeout.</returns>
    /// <exception cref="SystemCallException">It is not an open epoll instance.</exception>
    public static unsafe int EpollWait(int epoll, EpollEventBuffer ready, TimeSpan? timeout, int limit = int.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(ready);
        int capacity = Math.Min(limit, ready.Capacity);
        WaitTime wait = new(timeout);
        fixed (byte* p = ready.Bytes)
        {
            while (true)
            {
                int asked = wait.LeftMilliseconds();
                CallResult result = CallResult.Of(epoll_wait(epoll, p, capacity, asked));
                if (result.Errno != Errno.Interrupted && !(result.Value == 0 && wait.IsLongerThan(asked)))
                {
                    return result.Succeeded ? result.Value : result.OrThrow("epoll_wait", $"epoll descriptor {epoll}");
                }
            }
        }
    }

    private static unsafe CallResult Control(int epoll, int operation, int descriptor, EpollEvents events, ulong data)
    {
        byte* packed = stackalloc byte[16];
        *(uint*)packed = (uint)events;
        *(ulong*)(packed + EpollEventBuffer.DataOffset) = data;
        return CallResult.Of(epoll_ctl(epoll, operation, descriptor, packed));
    }

    [LibraryImport(LibC.Name)]
    private static unsafe partial int select(int count, DescriptorSet* read, DescriptorSet* write, DescriptorSet* exceptional, TimeValue* timeout);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    [LibraryImport(LibC.Name)]
    private static partial int epoll_create1(int flags);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int epoll_ctl(int epoll, int operation, int descriptor, byte* @event);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int epoll_wait(int epoll, byte* events, int capacity, int milliseconds);
}
