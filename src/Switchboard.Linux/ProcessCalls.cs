using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>System calls about processes. Every call may be made from any thread.</summary>
public static partial class ProcessCalls
{
    // The layout of a process's clock number is the kernel's (include/linux/posix-timers_types.h): the process's number
    // negated, and in the low three bits which of its clocks. 2 is the one of the scheduler, exact to a nanosecond.
    private const int SchedulerClock = 2;
    private const int ProcessNumberShift = 3;
    private const int OpenFiles = 7;
    private const int MonotonicClock = 1;
    private const int OpenProcess = 434;

    /// <summary>How much processor time a process has used since it started, in user mode and in the kernel, by all its
    /// threads, those that have ended too. Reads the process's clock, as <c>clock_getcpuclockid(3)</c> and
    /// <c>clock_gettime(2)</c>; the kernel counts in nanoseconds, a <see cref="TimeSpan"/> in units of 100 ns.</summary>
    /// <param name="processId">The process's number, 1 or more. Any process may be asked about, not only a child.</param>
    /// <returns>The processor time. A process that has ended and was not waited for still answers.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The number is less than 1.</exception>
    /// <exception cref="SystemCallException">There is no such process (EINVAL).</exception>
    public static unsafe TimeSpan ProcessorTime(int processId)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(processId, 1);
        TimeSpecification time = default;
        int clock = (~processId << ProcessNumberShift) | SchedulerClock;
        CallResult result = CallResult.Of(clock_gettime(clock, &time));
        if (!result.Succeeded)
        {
            throw new SystemCallException("clock_gettime", result.Errno,
                $"The processor time of process {processId} cannot be read: {Marshal.GetPInvokeErrorMessage((int)result.Errno)} (errno {(int)result.Errno}). It has probably ended.");
        }
        return new TimeSpan(((long)time.Seconds * TimeSpan.TicksPerSecond) + ((long)time.Nanoseconds / TimeSpan.NanosecondsPerTick));
    }

    /// <summary>How many descriptors this process may have open, as <c>getrlimit(2)</c> RLIMIT_NOFILE: each number is
    /// below it.</summary>
    /// <returns>The limit that holds now, at most <see cref="int.MaxValue"/>.</returns>
    /// <exception cref="SystemCallException">The kernel refused.</exception>
    public static unsafe int DescriptorLimit()
    {
        Limits limits = default;
        CallResult.Of(getrlimit(OpenFiles, &limits)).OrThrow("getrlimit");
        return (int)nuint.Min(limits.Current, int.MaxValue);
    }

    /// <summary>The kernel's monotonic clock, <c>clock_gettime(2)</c> CLOCK_MONOTONIC, which <c>sd_notify(3)</c> speaks of.</summary>
    /// <returns>The time since some moment before the start of this process.</returns>
    /// <exception cref="SystemCallException">The kernel refused.</exception>
    public static unsafe TimeSpan MonotonicTime()
    {
        TimeSpecification time = default;
        CallResult.Of(clock_gettime(MonotonicClock, &time)).OrThrow("clock_gettime");
        return new TimeSpan(((long)time.Seconds * TimeSpan.TicksPerSecond) + ((long)time.Nanoseconds / TimeSpan.NanosecondsPerTick));
    }

    /// <summary>The user whose rights this process has, as <c>geteuid(2)</c>; 0 is root. Never fails.</summary>
    /// <returns>The user's number.</returns>
    public static uint EffectiveUser() => geteuid();

    /// <summary>Sets which rights new files and folders of this process never have, as <c>umask(2)</c>. All threads have the same.
    /// Never fails.</summary>
    /// <param name="mask">The rights that are taken away: those of group and others, for example. Bits beyond 0777 count for
    /// nothing.</param>
    /// <returns>The mask that held before.</returns>
    public static UnixFileMode SetCreationMask(UnixFileMode mask) => (UnixFileMode)umask((uint)mask);

    /// <summary>A descriptor that stands for a process: it becomes readable when the process has ended, waited for by its parent or
    /// not, as <c>pidfd_open(2)</c>. It is close-on-exec, and the number may mean another process later without harm.</summary>
    /// <param name="processId">The process's number, 1 or more. Any process may be meant, not only a child.</param>
    /// <returns>The descriptor; the caller disposes it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The number is less than 1.</exception>
    /// <exception cref="SystemCallException">There is no such process (ESRCH), or the kernel does not know or allow the call
    /// (ENOSYS, EPERM).</exception>
    public static DescriptorHandle Open(int processId)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(processId, 1);
        return new(CallResult.Of(syscall(OpenProcess, processId, 0)).OrThrow("pidfd_open", $"process {processId}"));
    }

    [LibraryImport(LibC.Name)]
    private static partial uint geteuid();

    // By its number, the same on x64 and arm64: older C libraries have no function for it.
    [LibraryImport(LibC.Name)]
    private static partial nint syscall(nint number, int processId, uint flags);

    [LibraryImport(LibC.Name)]
    private static partial uint umask(uint mask);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int getrlimit(int resource, Limits* limits);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int clock_gettime(int clock, TimeSpecification* time);

    /// <summary>struct rlimit.</summary>
    private struct Limits
    {
        internal nuint Current;
        internal nuint Maximum;
    }

    /// <summary>struct timespec.</summary>
    private struct TimeSpecification
    {
        internal nint Seconds;
        internal nint Nanoseconds;
    }
}
