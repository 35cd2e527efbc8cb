using System.Net.Sockets;
using System.Runtime.InteropServices;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>What <see cref="RawSelect"/> found ready: three lists of the things that were put in, in their order.</summary>
/// <typeparam name="T">A number, a socket or a handle.</typeparam>
/// <param name="Readable">What a read does not wait on.</param>
/// <param name="Writable">What a write does not wait on.</param>
/// <param name="Exceptional">What has something exceptional, out-of-band data for one.</param>
public readonly record struct SelectResult<T>(IReadOnlyList<T> Readable, IReadOnlyList<T> Writable, IReadOnlyList<T> Exceptional);

/// <summary>The call <c>select(2)</c> by itself: no registrations, three lists in, three lists out. For descriptors 0 to
/// 1,023. The lists given are read once and never changed. May be called from any thread.</summary>
/// <remarks>Each call costs time for every descriptor up to the highest. Who waits for the same things again and again
/// wants a <see cref="Selector"/>.</remarks>
public static class RawSelect
{
    /// <summary>Waits until one of the descriptors is ready or the time is up.</summary>
    /// <param name="read">To be watched for reading.</param>
    /// <param name="write">To be watched for writing.</param>
    /// <param name="error">To be watched for exceptional conditions.</param>
    /// <param name="timeout">How long to wait, rounded up to a microsecond; zero not at all, null or negative for ever.</param>
    /// <returns>What is ready; three empty lists after the time.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative or beyond 1,023.</exception>
    /// <exception cref="BadDescriptorException">A number is not open; the message says which.</exception>
    public static SelectResult<int> Select(IEnumerable<int> read, IEnumerable<int> write, IEnumerable<int> error, TimeSpan? timeout) =>
        Select(read, write, error, timeout, static descriptor => descriptor);

    /// <summary>Waits until one of the sockets is ready or the time is up, as <see cref="Select(IEnumerable{int}, IEnumerable{int}, IEnumerable{int}, TimeSpan?)"/> does.</summary>
    /// <param name="read">To be watched for reading.</param>
    /// <param name="write">To be watched for writing.</param>
    /// <param name="error">To be watched for exceptional conditions.</param>
    /// <param name="timeout">How long to wait; null or negative for ever.</param>
    /// <returns>What is ready; three empty lists after the time.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A descriptor is beyond 1,023.</exception>
    /// <exception cref="ObjectDisposedException">A socket is disposed.</exception>
    public static SelectResult<Socket> Select(IEnumerable<Socket> read, IEnumerable<Socket> write, IEnumerable<Socket> error, TimeSpan? timeout) =>
        Select(read, write, error, timeout, static socket => NumberOf(socket.SafeHandle));

    /// <summary>Waits until one of the handles is ready or the time is up, as <see cref="Select(IEnumerable{int}, IEnumerable{int}, IEnumerable{int}, TimeSpan?)"/> does.</summary>
    /// <typeparam name="T">A handle whose value is a descriptor.</typeparam>
    /// <param name="read">To be watched for reading.</param>
    /// <param name="write">To be watched for writing.</param>
    /// <param name="error">To be watched for exceptional conditions.</param>
    /// <param name="timeout">How long to wait; null or negative for ever.</param>
    /// <returns>What is ready; three empty lists after the time.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A descriptor is beyond 1,023.</exception>
    /// <exception cref="ObjectDisposedException">A handle is disposed.</exception>
    public static SelectResult<T> Select<T>(IEnumerable<T> read, IEnumerable<T> write, IEnumerable<T> error, TimeSpan? timeout)
        where T : SafeHandle =>
        Select(read, write, error, timeout, NumberOf);

    private static SelectResult<T> Select<T>(IEnumerable<T> read, IEnumerable<T> write, IEnumerable<T> error, TimeSpan? timeout, Func<T, int> numberOf)
    {
        LinuxPlatform.Require();
        (T Thing, int Number)[] readers = Numbered(read, numberOf);
        (T Thing, int Number)[] writers = Numbered(write, numberOf);
        (T Thing, int Number)[] exceptions = Numbered(error, numberOf);
        int highest = -1;
        DescriptorSet readable = SetOf(readers, ref highest);
        DescriptorSet writable = SetOf(writers, ref highest);
        DescriptorSet exceptional = SetOf(exceptions, ref highest);
        // The kernel passes over numbers beyond its table of open files in silence. The table never shrinks, so if the
        // highest is open, it sees all the others.
        if (highest >= 0 && !DescriptorCalls.IsOpen(highest))
        {
            throw NotOpen(highest);
        }
        try
        {
            MultiplexCalls.Select(ref readable, ref writable, ref exceptional, highest, timeout);
        }
        catch (BadDescriptorException)
        {
            foreach ((_, int number) in readers.Concat(writers).Concat(exceptions))
            {
                if (!DescriptorCalls.IsOpen(number))
                {
                    throw NotOpen(number);
                }
            }
            throw;
        }
        return new SelectResult<T>(Ready(readers, in readable), Ready(writers, in writable), Ready(exceptions, in exceptional));
    }

    private static (T Thing, int Number)[] Numbered<T>(IEnumerable<T> things, Func<T, int> numberOf)
    {
        ArgumentNullException.ThrowIfNull(things);
        return [.. things.Select(thing => (thing, numberOf(thing)))];
    }

    private static DescriptorSet SetOf<T>((T Thing, int Number)[] things, ref int highest)
    {
        DescriptorSet set = default;
        foreach ((_, int number) in things)
        {
            set.Add(number);
            highest = Math.Max(highest, number);
        }
        return set;
    }

    private static List<T> Ready<T>((T Thing, int Number)[] things, in DescriptorSet set)
    {
        List<T> ready = [];
        foreach ((T thing, int number) in things)
        {
            if (set.Contains(number))
            {
                ready.Add(thing);
            }
        }
        return ready;
    }

    private static BadDescriptorException NotOpen(int descriptor) => new("select", $"descriptor {descriptor}");

    private static int NumberOf(SafeHandle handle)
    {
        ObjectDisposedException.ThrowIf(handle.IsClosed, handle);
        return (int)handle.DangerousGetHandle();
    }
}
