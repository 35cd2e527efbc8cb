using System.Diagnostics;

namespace Switchboard.Polling;

/// <summary>Calls back once on a loop's thread after a time, never early. Loop's thread only. Arming, arming anew and
/// disarming cost no allocation.</summary>
/// <param name="loop">The loop.</param>
/// <param name="callback">What to call.</param>
/// <param name="state">Handed to it.</param>
public sealed class LoopTimer(EventLoop loop, SendOrPostCallback callback, object? state)
{
    internal int Index { get; set; } = -1;

    internal long Due { get; private set; }

    internal SendOrPostCallback Callback { get; } = callback;

    internal object? State { get; } = state;

    /// <summary>True from <see cref="Arm"/> until it has fired or was disarmed.</summary>
    public bool IsArmed => Index >= 0;

    /// <summary>Starts the time, or starts it anew.</summary>
    /// <param name="time">From now; zero or less fires in the next turn. More than some 146 years count as so many.</param>
    public void Arm(TimeSpan time)
    {
        Disarm();
        long ticks = (long)Math.Min(Math.Ceiling(Math.Max(time.TotalSeconds, 0) * Stopwatch.Frequency), long.MaxValue / 2);
        Due = Stopwatch.GetTimestamp() + ticks;
        loop.Timers.Add(this);
    }

    /// <summary>Stops the time; nothing if it does not run.</summary>
    public void Disarm()
    {
        if (IsArmed)
        {
            loop.Timers.Remove(this);
        }
    }
}

/// <summary>The armed timers of one loop, soonest first: a binary heap in which each timer knows its place, so that one
/// that is disarmed is forgotten at once.</summary>
internal sealed class TimerHeap
{
    private LoopTimer[] _heap = new LoopTimer[4];
    private int _count;

    internal int Count => _count;

    internal LoopTimer[] ToArray() => _heap.AsSpan(0, _count).ToArray();

    internal void Add(LoopTimer timer)
    {
        if (_count == _heap.Length)
        {
            Array.Resize(ref _heap, _count * 2);
        }
        Up(_count++, timer);
    }

    internal void Remove(LoopTimer timer)
    {
        int place = timer.Index;
        timer.Index = -1;
        LoopTimer last = _heap[--_count];
        _heap[_count] = null!;
        if (last != timer)
        {
            if (place > 0 && last.Due < _heap[(place - 1) / 2].Due)
            {
                Up(place, last);
            }
            else
            {
                Down(place, last);
            }
        }
    }

    /// <summary>The time to the soonest timer, rounded up; null if there is none.</summary>
    internal TimeSpan? UntilNext(long now)
    {
        if (_count == 0)
        {
            return null;
        }
        long left = _heap[0].Due - now;
        return left <= 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(0, left) + TimeSpan.FromTicks(1);
    }

    /// <summary>Runs what is due, and gives the time after that; the clock is not read while no timer is armed.</summary>
    internal long RunDue(EventLoop loop)
    {
        if (_count == 0)
        {
            return 0;
        }
        // A timer armed by a callback waits for the next turn even if its time is zero.
        long now = Stopwatch.GetTimestamp();
        if (_heap[0].Due > now)
        {
            return now;
        }
        while (_count > 0 && _heap[0].Due <= now)
        {
            LoopTimer timer = _heap[0];
            Remove(timer);
            loop.Invoke(timer.Callback, timer.State);
        }
        return Stopwatch.GetTimestamp();
    }

    private void Up(int place, LoopTimer timer)
    {
        while (place > 0)
        {
            int parent = (place - 1) / 2;
            if (_heap[parent].Due <= timer.Due)
            {
                break;
            }
            Put(place, _heap[parent]);
            place = parent;
        }
        Put(place, timer);
    }

    private void Down(int place, LoopTimer timer)
    {
        while (true)
        {
            int child = (2 * place) + 1;
            if (child >= _count)
            {
                break;
            }
            if (child + 1 < _count && _heap[child + 1].Due < _heap[child].Due)
            {
                child++;
            }
            if (timer.Due <= _heap[child].Due)
            {
                break;
            }
            Put(place, _heap[child]);
            place = child;
        }
        Put(place, timer);
    }

    private void Put(int place, LoopTimer timer)
    {
        _heap[place] = timer;
        timer.Index = place;
    }
}
