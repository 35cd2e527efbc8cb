namespace Switchboard.EndToEnd.Tests;

/// <summary>A clock that stands until it is advanced; the timers that become due then run at once, on that thread.</summary>
internal sealed class ManualClock : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<Timer> _timers = [];
    private long _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>How many timers wait to run.</summary>
    internal int Armed
    {
        get
        {
            lock (_gate)
            {
                return _timers.Count(static timer => timer.Due is not null);
            }
        }
    }

    public override long GetTimestamp() => Interlocked.Read(ref _now);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Assert.Equal(Timeout.InfiniteTimeSpan, period);
        var timer = new Timer(this, () => callback(state));
        timer.Change(dueTime, period);
        lock (_gate)
        {
            _timers.Add(timer);
        }
        return timer;
    }

    internal void Advance(TimeSpan time)
    {
        long end = GetTimestamp() + time.Ticks;
        while (Next(end) is { } timer)
        {
            timer();
        }
        Interlocked.Exchange(ref _now, end);
    }

    private Action? Next(long end)
    {
        lock (_gate)
        {
            if (_timers.MinBy(static timer => timer.Due ?? long.MaxValue) is not { Due: { } due } first || due > end)
            {
                return null;
            }
            first.Due = null;
            Interlocked.Exchange(ref _now, due);
            return first.Run;
        }
    }

    private sealed class Timer(ManualClock clock, Action run) : ITimer
    {
        internal long? Due { get; set; }

        internal Action Run => run;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Assert.Equal(Timeout.InfiniteTimeSpan, period);
            lock (clock._gate)
            {
                Due = dueTime == Timeout.InfiniteTimeSpan ? null : clock.GetTimestamp() + dueTime.Ticks;
            }
            return true;
        }

        public void Dispose()
        {
            lock (clock._gate)
            {
                clock._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
