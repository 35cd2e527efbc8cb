namespace Switchboard.Servers;

/// <summary>Says when the next caller may be accepted: so many a second, and a burst of them after a pause. Any thread.</summary>
internal sealed class AcceptRate
{
    private readonly TimeProvider _clock;
    private readonly long _interval;
    private readonly long _burst;
    // When all that was taken so far would have been taken at the plain rate.
    private long _due;

    internal AcceptRate(int perSecond, int burst, TimeProvider? clock = null)
    {
        _clock = clock ?? TimeProvider.System;
        _interval = Math.Max(1, _clock.TimestampFrequency / perSecond);
        _burst = _interval * burst;
        _due = _clock.GetTimestamp();
    }

    internal static AcceptRate? Of(CallerLimits limits) => limits.AcceptsPerSecond is { } rate ? new AcceptRate(rate, limits.AcceptBurst ?? rate) : null;

    /// <summary>Takes a turn if it has come.</summary>
    /// <param name="wait">How long it is until the next one comes, if none has.</param>
    internal bool TryTake(out TimeSpan wait)
    {
        while (true)
        {
            long due = Volatile.Read(ref _due);
            long now = _clock.GetTimestamp();
            long next = Math.Max(due, now) + _interval;
            if (next - now > _burst)
            {
                wait = TimeSpan.FromSeconds((double)(next - now - _burst) / _clock.TimestampFrequency);
                return false;
            }
            if (Interlocked.CompareExchange(ref _due, next, due) == due)
            {
                wait = default;
                return true;
            }
        }
    }

    /// <summary>Gives a turn back in which nobody came.</summary>
    internal void GiveBack() => Interlocked.Add(ref _due, -_interval);
}
