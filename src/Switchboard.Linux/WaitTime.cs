using System.Diagnostics;

namespace Switchboard.Linux;

/// <summary>The time that a wait may still take. The clock is read only when a wait is made again.</summary>
internal struct WaitTime(TimeSpan? timeout)
{
    // A timeout beyond this is waited for in pieces: poll and epoll_wait take at most 2^31 - 1 ms.
    private const int LongestPiece = int.MaxValue;

    private readonly TimeSpan _total = timeout is { } t && t >= TimeSpan.Zero ? t : Timeout.InfiniteTimeSpan;
    private readonly long _started = timeout is { } s && s > TimeSpan.Zero ? Stopwatch.GetTimestamp() : 0;
    private bool _asked;

    /// <summary>What is left, never negative; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</summary>
    internal TimeSpan Left()
    {
        if (!_asked || _total <= TimeSpan.Zero)
        {
            _asked = true;
            return _total;
        }
        TimeSpan left = _total - Stopwatch.GetElapsedTime(_started);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>What is left in milliseconds, rounded up; -1 for ever.</summary>
    internal int LeftMilliseconds()
    {
        TimeSpan left = Left();
        return left < TimeSpan.Zero ? -1 : (int)Math.Min(Math.Ceiling(left.TotalMilliseconds), LongestPiece);
    }

    /// <summary>True if the whole wait is longer than the piece just waited.</summary>
    internal readonly bool IsLongerThan(int milliseconds) =>
        milliseconds == LongestPiece && Stopwatch.GetElapsedTime(_started) < _total;
}

/// <summary>struct timeval.</summary>
internal struct TimeValue
{
    internal nint Seconds;
    internal nint Microseconds;

    internal static TimeValue RoundUp(TimeSpan time)
    {
        (long microseconds, long rest) = Math.DivRem(Math.Max(time.Ticks, 0), TimeSpan.TicksPerMicrosecond);
        microseconds += rest > 0 ? 1 : 0;
        return new TimeValue { Seconds = (nint)(microseconds / 1_000_000), Microseconds = (nint)(microseconds % 1_000_000) };
    }
}
