using System.Diagnostics;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>
/// Runs what becomes ready on one thread, one piece at a time: descriptors, timers and work posted from other threads.
/// A call that waits for data suspends; the loop goes on with whatever is ready next, and comes back to it on the same
/// thread. A loop may carry one connection or many: only its <see cref="Selector"/> differs.
/// </summary>
/// <remarks>
/// <para>One turn of the loop, numbered as in docs/architecture.md: (1) run the work that was posted, (2) run the timers
/// that are due, (3) wait in the selector until something is ready, the next timer is due or somebody posts, (4) call
/// the owner of each ready descriptor. No step takes more in one turn than was there when it began, so nobody is
/// starved by another who always has something to do.</para>
/// <para>The loop belongs to the thread that is in <see cref="Run()"/>: one of its own (<see cref="Start"/>), or the
/// caller's. What says "loop's thread only" belongs to that thread; the rest may be used from any.</para>
/// </remarks>
public sealed partial class EventLoop : IDisposable
{
    // What one turn takes of the selector: a loop of one connection needs little room.
    private const int LargeBatch = 256;
    private const int SmallBatch = 8;

    // What serves a connection was made in one go, so it lies round its socket object, and the collector keeps that order.
    // With many connections it has left the cache by the next event, and fetching it while the event two before is handled
    // spares a fifth of the processor time. These bytes before and after reach most of it.
    private const int FetchAhead = 2;
    private const int FetchBefore = 640;
    private const int FetchAfter = 1216;

    // A wait in the kernel with a time costs 0.4 us more than one without (a timer of the kernel's is set and taken back).
    // So waits longer than this are made without, and the runtime's timer, set once, wakes the loop near the end.
    private static readonly TimeSpan _shortWait = TimeSpan.FromMilliseconds(100);

    // The runtime's timer takes some 49 days at most; the loop then sets it anew.
    private static readonly TimeSpan _longestAlarm = TimeSpan.FromDays(40);

    // The runtime starts its thread for timers with the first one, and that fails once descriptors have run out.
    private static readonly Timer _firstTimer = new(static _ => { }, null, _longestAlarm, Timeout.InfiniteTimeSpan);

    [ThreadStatic]
    private static EventLoop? _current;

    private readonly Selector _selector;
    private readonly Lock _gate = new();
    private readonly Queue<(SendOrPostCallback Callback, object? State)> _posted = new();
    private readonly TimerHeap _timers = new();
    private readonly ReadyEvent[] _ready;
    private volatile int _owner = -1;
    private volatile bool _sleeping;
    private volatile bool _stopRequested;
    private int _depth;
    private Timer? _alarm;
    private long _alarmDue = long.MaxValue;

    /// <summary>Makes a loop that runs once <see cref="Run()"/> is called.</summary>
    /// <param name="selector">What it waits in; the loop disposes it.</param>
    /// <param name="waitsInline">True if a call may wait for one thing on the loop's thread and so hold up the rest:
    /// right for a loop of one connection, wrong for a loop of many.</param>
    public EventLoop(Selector selector, bool waitsInline = false)
    {
        ArgumentNullException.ThrowIfNull(selector);
        _selector = selector;
        WaitsInline = waitsInline;
        _ready = new ReadyEvent[waitsInline ? SmallBatch : LargeBatch];
        Context = new LoopSynchronizationContext(this);
        GC.KeepAlive(_firstTimer);
    }

    /// <summary>The loop that the calling thread runs, or null.</summary>
    public static EventLoop? Current => _current;

    /// <summary>True on the thread that runs this loop.</summary>
    public bool IsCurrent => _owner == Environment.CurrentManagedThreadId;

    /// <summary>True if a call may wait on the loop's thread until its own operation is complete.</summary>
    public bool WaitsInline { get; }

    /// <summary>Brings awaits back to this loop; current on its thread while it runs.</summary>
    public SynchronizationContext Context { get; }

    /// <summary>Raised on the loop's thread when posted work or a timer throws. Without a subscriber the exception
    /// leaves <see cref="Run()"/> and ends the loop.</summary>
    public event Action<Exception>? UnhandledException;

    /// <summary>Has the loop's thread run something soon, after what was posted before. Any thread may call it. One
    /// wake-up serves all that is posted while the loop sleeps. Once the loop has ended the thread pool runs it, still
    /// one piece after the other, so that nobody waits for ever for what comes after a loop's end.</summary>
    /// <param name="callback">What to run.</param>
    /// <param name="state">Handed to it.</param>
    public void Post(SendOrPostCallback callback, object? state)
    {
        ArgumentNullException.ThrowIfNull(callback);
        bool wake;
        lock (_gate)
        {
            _posted.Enqueue((callback, state));
            wake = _sleeping;
            _sleeping = false;
            if (_hasEnded && !_draining)
            {
                DrainOnPool();
            }
        }
        if (wake)
        {
            _selector.Wake();
        }
    }

    /// <summary>Makes <see cref="Run()"/> return after the piece that runs now. Any thread may call it, more than once.</summary>
    public void Stop()
    {
        _stopRequested = true;
        Post(static _ => { }, null);
    }

    /// <summary>Runs the loop on the calling thread until <see cref="Stop"/>. A loop runs once.</summary>
    /// <exception cref="InvalidOperationException">Another thread runs this loop, it has ended, or this thread runs another.</exception>
    public void Run()
    {
        if (_current is not null || _hasEnded || Interlocked.CompareExchange(ref _owner, Environment.CurrentManagedThreadId, -1) != -1)
        {
            throw new InvalidOperationException("The loop has ended, another thread runs it, or this thread runs another loop. Make a loop for each thread, and run it once.");
        }
        SynchronizationContext? before = SynchronizationContext.Current;
        _current = this;
        SynchronizationContext.SetSynchronizationContext(Context);
        Exception? failure = null;
        try
        {
            Turn(static state => ((EventLoop)state!)._stopRequested, this);
            End();
        }
        catch (Exception exception)
        {
            failure = exception;
            EndAfterFailure();
            throw;
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
            _current = null;
            _owner = -1;
            Complete(failure);
        }
    }

    /// <summary>Waits on the loop's own thread for one thing, running the loop meanwhile.</summary>
    internal void WaitInline(Func<object?, bool> done, object? state)
    {
        if (!IsCurrent)
        {
            throw new InvalidOperationException("The result of a pending operation was asked for on a thread that is not its connection's. Await it instead.");
        }
        if (!WaitsInline)
        {
            throw new InvalidOperationException("This call would block the event loop and every connection on it. Await it instead, or choose Concurrency.Threads.");
        }
        // The piece that waits may have been entered without the loop's context (after ConfigureAwait(false)).
        SynchronizationContext? before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(Context);
        try
        {
            Turn(done, state);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }
    }

    private void Turn(Func<object?, bool> done, object? state)
    {
        // A wait inside a piece of work must not overwrite the batch that the outer turn is going through.
        ReadyEvent[] ready = _depth++ == 0 ? _ready : new ReadyEvent[_ready.Length];
        try
        {
            while (true)
            {
                RunPosted();                                            // (1)
                long now = _timers.RunDue(this);                        // (2)
                if (done(state))
                {
                    return;
                }
                Dispatch(ready, _selector.Select(ready, TimeToSleep(now))); // (3)
            }
        }
        finally
        {
            _depth--;
        }
    }

    private TimeSpan? TimeToSleep(long now)
    {
        lock (_gate)
        {
            if (_posted.Count > 0)
            {
                return TimeSpan.Zero;
            }
            _sleeping = true;
        }
        _work = null;
        TimeSpan? left = _timers.UntilNext(now);
        return left > _shortWait ? LeaveToAlarm(left.Value, now) : left;
    }

    /// <summary>Sees to it that the alarm wakes the loop before a time, and gives how long to wait in the kernel: for ever.</summary>
    private TimeSpan? LeaveToAlarm(TimeSpan left, long now)
    {
        long due = now + (long)(left.TotalSeconds * Stopwatch.Frequency);
        if (due < _alarmDue)
        {
            _alarmDue = due;
            _alarm ??= new Timer(static self => ((EventLoop)self!).Post(static inner => ((EventLoop)inner!)._alarmDue = long.MaxValue, self), this, Timeout.Infinite, Timeout.Infinite);
            _alarm.Change(left < _longestAlarm ? left - _shortWait / 2 : _longestAlarm, Timeout.InfiniteTimeSpan);
        }
        return null;
    }

    private void RunPosted()
    {
        _sleeping = false;
        // Only what is there now: work that posts again must not keep descriptors and timers from their turn.
        for (int left = _posted.Count; left > 0; left--)
        {
            (SendOrPostCallback Callback, object? State) piece;
            lock (_gate)
            {
                if (!_posted.TryDequeue(out piece))
                {
                    return;
                }
            }
            Invoke(piece.Callback, piece.State);
        }
    }

    private void Dispatch(ReadyEvent[] ready, int count)                // (4)
    {
        _sleeping = false;
        for (int i = 0; i < count; i++)
        {
            if (i + FetchAhead < count)
            {
                ProcessorCache.Fetch(ready[i + FetchAhead].Key.Data!, FetchBefore, FetchAfter);
            }
            SelectorKey key = ready[i].Key;
            // An earlier piece of this batch may have closed it; its number may mean another descriptor by now.
            if (key.IsRegistered)
            {
                Begin(key.Data);
                ((IReadyHandler)key.Data!).OnReady(ready[i].Ready);
            }
        }
        ready.AsSpan(0, count).Clear();
    }

    internal void Invoke(SendOrPostCallback callback, object? state)
    {
        Begin(state ?? callback);
        try
        {
            callback(state);
        }
        catch (Exception exception) when (UnhandledException is not null)
        {
            UnhandledException(exception);
        }
    }

    /// <summary>Watches a descriptor. Loop's thread only.</summary>
    /// <param name="descriptor">The number; the caller keeps it open until it has unregistered it.</param>
    /// <param name="interest">What to watch.</param>
    /// <param name="handler">Called on the loop's thread when it is ready.</param>
    /// <param name="trigger">When it is called.</param>
    /// <returns>The registration.</returns>
    /// <exception cref="ArgumentException">The loop's selector has no such trigger.</exception>
    /// <exception cref="SystemCallException">The descriptor is not open, or can't be watched.</exception>
    public SelectorKey Register(int descriptor, Interest interest, IReadyHandler handler, Trigger trigger = Trigger.Level)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return _selector.Register(descriptor, interest, handler, trigger);
    }

    /// <summary>Changes what is watched. Loop's thread only.</summary>
    /// <param name="key">A registration of this loop.</param>
    /// <param name="interest">What to watch from now on; <see cref="Interest.None"/> for nothing.</param>
    public void Modify(SelectorKey key, Interest interest) => _selector.Modify(key, interest);

    /// <summary>Ends a registration; no event of it is delivered any more. Loop's thread only.</summary>
    /// <param name="key">A registration of this loop.</param>
    public void Unregister(SelectorKey key) => _selector.Unregister(key);

    internal void UnregisterClosing(SelectorKey key) => _selector.UnregisterClosing(key);

    internal bool SupportsTriggers => _selector.SupportsTriggers;

    internal TimerHeap Timers => _timers;

    /// <summary>Closes the selector and its descriptors. A loop with a thread of its own is stopped first, and its thread
    /// waited for (called on that thread, it is the thread that closes them, when the loop has ended). A loop that the
    /// caller runs must have stopped.</summary>
    /// <exception cref="InvalidOperationException">The loop still runs.</exception>
    public void Dispose()
    {
        if (!LeaveThread())
        {
            return;
        }
        if (_owner != -1)
        {
            throw new InvalidOperationException("The loop still runs. Stop it and wait for its thread before disposing it.");
        }
        _alarm?.Dispose();
        End();
        _selector.Dispose();
    }
}

/// <summary>Owns a descriptor that a loop watches.</summary>
public interface IReadyHandler
{
    /// <summary>Called on the loop's thread when the descriptor is ready. Must not throw.</summary>
    /// <param name="ready">For what.</param>
    void OnReady(Readiness ready);
}
