namespace Switchboard.Polling;

// Times: a callback after one, or an await.
public sealed partial class EventLoop
{
    // Enough for a server's steady state; what a burst needs beyond that is left to the garbage collector.
    private const int MostSpareDelays = 256;

    private LoopDelay? _spareDelays;
    private int _spareDelayCount;

    /// <summary>Calls back once on the loop's thread after a time, never early. Loop's thread only.</summary>
    /// <param name="time">From now; zero or less calls back in the next turn.</param>
    /// <param name="callback">What to call.</param>
    /// <returns>The timer: <see cref="LoopTimer.Disarm"/> cancels it, <see cref="LoopTimer.Arm"/> starts it again.</returns>
    /// <exception cref="InvalidOperationException">Another thread runs the loop.</exception>
    /// <exception cref="OperationCanceledException">The loop has ended.</exception>
    public LoopTimer Schedule(TimeSpan time, Action callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        ThrowIfElsewhere();
        ThrowIfEnded();
        LoopTimer timer = new(this, static state => ((Action)state!)(), callback);
        timer.Arm(time);
        return timer;
    }

    /// <summary>Waits on this loop's own timers, never for less than the time, and with no allocation in steady state.
    /// <see cref="Task.Delay(TimeSpan)"/> comes back to the loop too; it goes by way of another thread.</summary>
    /// <param name="time">How long; zero or less for one turn of the loop, <see cref="Timeout.InfiniteTimeSpan"/> until it is
    /// cancelled.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>Completes after the time; to be awaited once. Any thread may call it.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled, or the loop has ended.</exception>
    public ValueTask DelayAsync(TimeSpan time, CancellationToken cancellation = default)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellation);
        }
        LoopDelay delay;
        bool onLoop = IsCurrent;
        if (onLoop && _spareDelays is { } spare)
        {
            delay = spare;
            _spareDelays = spare.Next;
            _spareDelayCount--;
        }
        else
        {
            delay = new LoopDelay(this);
        }
        ValueTask task = delay.Prepare(time == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : time, cancellation);
        if (onLoop)
        {
            delay.Begin();
        }
        else
        {
            Post(static state => ((LoopDelay)state!).Begin(), delay);
        }
        return task;
    }

    internal void Return(LoopDelay delay)
    {
        if (IsCurrent && _spareDelayCount < MostSpareDelays)
        {
            delay.Next = _spareDelays;
            _spareDelays = delay;
            _spareDelayCount++;
        }
    }
}
