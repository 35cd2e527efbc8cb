namespace Switchboard.Polling;

/// <summary>How long a peer may take for its first byte, counted from when it was expected. A read costs nothing for it: it
/// is looked at when the timer of reads is armed or fires.</summary>
internal struct FirstByteTime
{
    // The clock of the stamps is cheap and moves in steps of up to this many milliseconds; no limit may fire early.
    internal const long CoarseClockStep = 10;

    private TimeSpan _limit;
    private long _since;
    private long _receivedBefore;
    private bool _isAwaited;

    /// <summary>Begins the time.</summary>
    /// <param name="limit">How long; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="received">How many bytes have come that do not count.</param>
    internal void Begin(TimeSpan limit, long received)
    {
        _limit = limit;
        _since = Environment.TickCount64;
        _receivedBefore = received;
        _isAwaited = limit != Timeout.InfiniteTimeSpan;
    }

    /// <summary>The limit.</summary>
    internal readonly TimeSpan Limit => _limit;

    /// <summary>True until it is seen that a byte has come, if there is a limit.</summary>
    internal bool IsAwaited(long received) => _isAwaited && (_isAwaited = received == _receivedBefore);

    /// <summary>What is left of the time; zero or less if it is over.</summary>
    internal readonly TimeSpan Left => _limit - TimeSpan.FromMilliseconds(Environment.TickCount64 - _since - CoarseClockStep);
}
