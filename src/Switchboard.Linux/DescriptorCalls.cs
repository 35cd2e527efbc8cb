using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>System calls on descriptors of any kind: <c>read(2)</c>, <c>write(2)</c>, <c>pipe2(2)</c>,
/// <c>eventfd2(2)</c>, <c>fcntl(2)</c>, <c>dup3(2)</c>. All new descriptors are close-on-exec. Every call may be made
/// from any thread; a call interrupted by a signal is made again.</summary>
public static partial class DescriptorCalls
{
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int DuplicateCloseOnExec = 1030;
    private const int SetDescriptorFlags = 2;
    private const int CloseOnExecFlag = 1;
    private const int GetStatusFlags = 3;
    private const int SetStatusFlags = 4;
    private const uint BytesUnread = 0x541B;
    private const uint BytesUntaken = 0x5411;

    /// <summary>Reads what is there, as <c>read(2)</c>.</summary>
    /// <param name="descriptor">An open descriptor.</param>
    /// <param name="destination">Where the bytes go.</param>
    /// <returns>The count, 0 at the end of input, or the error.</returns>
    public static unsafe CallResult Read(int descriptor, Span<byte> destination)
    {
        fixed (byte* p = destination)
        {
            CallResult result;
            do
            {
                result = CallResult.Of(read(descriptor, p, destination.Length));
            }
            while (result.Errno == Errno.Interrupted);
            return result;
        }
    }

    /// <summary>Writes as much as fits, as <c>write(2)</c>.</summary>
    /// <param name="descriptor">An open descriptor.</param>
    /// <param name="source">The bytes.</param>
    /// <returns>The count written, or the error.</returns>
    public static unsafe CallResult Write(int descriptor, ReadOnlySpan<byte> source)
    {
        fixed (byte* p = source)
        {
            CallResult result;
            do
            {
                result = CallResult.Of(write(descriptor, p, source.Length));
            }
            while (result.Errno == Errno.Interrupted);
            return result;
        }
    }

    /// <summary>Makes a pipe, as <c>pipe2(2)</c>.</summary>
    /// <param name="nonBlocking">True for non-blocking ends.</param>
    /// <returns>The end to read from and the end to write to; the caller disposes both.</returns>
    /// <exception cref="DescriptorLimitException">No descriptor is free.</exception>
    public static unsafe (DescriptorHandle Reader, DescriptorHandle Writer) CreatePipe(bool nonBlocking = false)
    {
        int* ends = stackalloc int[2];
        CallResult.Of(pipe2(ends, CloseOnExec | (nonBlocking ? NonBlocking : 0))).OrThrow("pipe2");
        return (new DescriptorHandle(ends[0]), new DescriptorHandle(ends[1]));
    }

    /// <summary>Makes a non-blocking event counter, as <c>eventfd(2)</c>.</summary>
    /// <returns>The counter at 0; the caller disposes it.</returns>
    /// <exception cref="DescriptorLimitException">No descriptor is free.</exception>
    public static DescriptorHandle CreateEvent() =>
        new(CallResult.Of(eventfd(0, CloseOnExec | NonBlocking)).OrThrow("eventfd"));

    /// <summary>Adds 1 to an event counter, which makes it readable.</summary>
    /// <param name="descriptor">The counter.</param>
    /// <exception cref="SystemCallException">It is not an open event counter.</exception>
    public static void SignalEvent(int descriptor)
    {
        ulong one = 1;
        CallResult result = Write(descriptor, MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in one)));
        if (!result.Succeeded && !result.WouldBlock)
        {
            result.OrThrow("write", $"event counter {descriptor}");
        }
    }

    /// <summary>Takes an event counter back to 0; nothing if it is 0.</summary>
    /// <param name="descriptor">The counter.</param>
    /// <exception cref="SystemCallException">It is not an open event counter.</exception>
    public static void ResetEvent(int descriptor)
    {
        ulong count = 0;
        CallResult result = Read(descriptor, MemoryMarshal.AsBytes(new Span<ulong>(ref count)));
        if (!result.Succeeded && !result.WouldBlock)
        {
            result.OrThrow("read", $"event counter {descriptor}");
        }
    }

    /// <summary>Makes a second descriptor for what <paramref name="descriptor"/> is open on, as <c>fcntl(2)</c> F_DUPFD_CLOEXEC.</summary>
    /// <param name="descriptor">An open descriptor.</param>
    /// <param name="lowest">The lowest number that the copy may have.</param>
    /// <returns>The copy; the caller disposes it.</returns>
    /// <exception cref="BadDescriptorException">It is not open.</exception>
    public static DescriptorHandle Duplicate(int descriptor, int lowest = 0) =>
        new(CallResult.Of(fcntl(descriptor, DuplicateCloseOnExec, lowest)).OrThrow("fcntl", $"descriptor {descriptor}"));

    /// <summary>The number that the next new descriptor gets: the lowest that is not in use.</summary>
    /// <param name="descriptor">An open descriptor, to ask with.</param>
    /// <returns>The number, or the error: EMFILE if none is free.</returns>
    public static CallResult LowestFree(int descriptor)
    {
        CallResult copy = CallResult.Of(fcntl(descriptor, DuplicateCloseOnExec, 0));
        if (copy.Succeeded)
        {
            CloseNumber(copy.Value);
        }
        return copy;
    }

    /// <summary>Makes the number <paramref name="number"/> mean what <paramref name="descriptor"/> is open on, as
    /// <c>dup3(2)</c>; what the number meant before is closed.</summary>
    /// <param name="descriptor">An open descriptor.</param>
    /// <param name="number">Another number.</param>
    /// <exception cref="SystemCallException">The kernel refused.</exception>
    public static void DuplicateOnto(int descriptor, int number)
    {
        CallResult result;
        do
        {
            result = CallResult.Of(dup3(descriptor, number, CloseOnExec));
        }
        while (result.Errno == Errno.Interrupted);
        result.OrThrow("dup3", $"descriptor {descriptor}");
    }

    /// <summary>True if the number is an open descriptor of this process.</summary>
    /// <param name="descriptor">The number.</param>
    /// <returns>Whether it is open.</returns>
    public static bool IsOpen(int descriptor) => fcntl(descriptor, GetStatusFlags, 0) >= 0;

    /// <summary>Keeps a descriptor from the programs that this process starts, as <c>fcntl(2)</c> FD_CLOEXEC.</summary>
    /// <param name="descriptor">An open descriptor.</param>
    /// <exception cref="BadDescriptorException">It is not open.</exception>
    public static void SetCloseOnExec(int descriptor) =>
        CallResult.Of(fcntl(descriptor, SetDescriptorFlags, CloseOnExecFlag)).OrThrow("fcntl", $"descriptor {descriptor}");

    /// <summary>Switches O_NONBLOCK on or off, for all who share the open file.</summary>
    /// <param name="descriptor">An open descriptor.</param>
    /// <param name="nonBlocking">True to switch it on.</param>
    /// <exception cref="BadDescriptorException">It is not open.</exception>
    public static void SetNonBlocking(int descriptor, bool nonBlocking)
    {
        int flags = CallResult.Of(fcntl(descriptor, GetStatusFlags, 0)).OrThrow("fcntl", $"descriptor {descriptor}");
        flags = nonBlocking ? flags | NonBlocking : flags & ~NonBlocking;
        CallResult.Of(fcntl(descriptor, SetStatusFlags, flags)).OrThrow("fcntl", $"descriptor {descriptor}");
    }

    /// <summary>How many bytes can be read without waiting, as <c>ioctl(2)</c> FIONREAD.</summary>
    /// <param name="descriptor">A socket, pipe or terminal.</param>
    /// <returns>The count, or the error.</returns>
    public static unsafe CallResult CountUnread(int descriptor)
    {
        int count = 0;
        CallResult result = CallResult.Of(ioctl(descriptor, BytesUnread, &count));
        return result.Succeeded ? CallResult.Success(count) : result;
    }

    /// <summary>How many bytes that were sent the peer has not taken yet, as <c>ioctl(2)</c> TIOCOUTQ (<c>tcp(7)</c>: not confirmed;
    /// <c>unix(7)</c>: not read, with what the kernel needs to hold them).</summary>
    /// <param name="descriptor">A connected stream socket.</param>
    /// <returns>The count, or the error.</returns>
    public static unsafe CallResult CountUntaken(int descriptor)
    {
        int count = 0;
        CallResult result = CallResult.Of(ioctl(descriptor, BytesUntaken, &count));
        return result.Succeeded ? CallResult.Success(count) : result;
    }

    /// <summary>Closes a number. EINTR counts as closed, as <c>close(2)</c> says for Linux.</summary>
    internal static CallResult CloseNumber(int descriptor)
    {
        CallResult result = CallResult.Of(close(descriptor));
        return result.Errno == Errno.Interrupted ? CallResult.Success(0) : result;
    }

    [LibraryImport(LibC.Name)]
    private static unsafe partial nint read(int descriptor, byte* buffer, nint count);

    [LibraryImport(LibC.Name)]
    private static unsafe partial nint write(int descriptor, byte* buffer, nint count);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int pipe2(int* ends, int flags);

    [LibraryImport(LibC.Name)]
    private static partial int eventfd(uint initial, int flags);

    [LibraryImport(LibC.Name)]
    private static partial int fcntl(int descriptor, int command, nint argument);

    [LibraryImport(LibC.Name)]
    private static partial int dup3(int old, int @new, int flags);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int ioctl(int descriptor, nuint request, int* argument);

    [LibraryImport(LibC.Name)]
    private static partial int close(int descriptor);
}
