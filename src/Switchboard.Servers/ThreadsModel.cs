using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>
/// A thread for each call, kept for the next. A call's thread is an event loop of one connection, so that a handler may
/// await a read and anything else at once, and comes back to its thread.
/// </summary>
internal sealed class ThreadsModel(ModelSettings settings, int limit, WhenFull whenFull, bool background, bool joinOnClose) : CallModel
{
    private const int IsEnding = 1;

    private readonly Lock _gate = new();
    private readonly Stack<CallThread> _idle = new();
    private int _busy;
    private int _ending;
    private int _made;
    private bool _closed;

    internal override IReadOnlyList<EventLoop> Loops { get; } = OneLoop();

    internal override bool HasRoom => Volatile.Read(ref _busy) < limit;

    // In this order: a thread that is free by now counted itself out of the busy ones first.
    internal override bool IsMakingRoom => Volatile.Read(ref _ending) > 0 || HasRoom;

    internal override WhenFull WhenFull => whenFull;

    internal override bool JoinsOnClose => joinOnClose;

    internal override void Start(Call call)
    {
        Interlocked.Increment(ref _busy);
        CallThread? thread;
        lock (_gate)
        {
            // The one that was busy last has its stack and its caches warm.
            _idle.TryPop(out thread);
        }
        if (thread is not null)
        {
            thread.Serve(call);
            return;
        }
        string name = $"{settings.Name} call {++_made}";
        try
        {
            CallThread.Start(this, name, background, call, settings);
        }
        catch
        {
            Interlocked.Decrement(ref _busy);
            throw;
        }
    }

    internal override void Ending()
    {
        if (Call.Current is { Place: 0 } call)
        {
            call.Place = IsEnding;
            Interlocked.Increment(ref _ending);
        }
    }

    /// <summary>A call has ended. True if its thread is kept for another.</summary>
    internal bool Finished(CallThread thread, Call call)
    {
        bool keep;
        lock (_gate)
        {
            keep = !_closed;
            if (keep)
            {
                _idle.Push(thread);
            }
        }
        bool wasFull = Interlocked.Decrement(ref _busy) == limit - 1;
        if (call.Place == IsEnding)
        {
            Interlocked.Decrement(ref _ending);
        }
        if (wasFull)
        {
            settings.OnRoom();
        }
        return keep;
    }

    /// <summary>An idle thread wants to end. False if it has been given a call meanwhile.</summary>
    internal bool Retire(CallThread thread)
    {
        lock (_gate)
        {
            if (!_idle.Contains(thread))
            {
                return false;
            }
            CallThread[] others = [.. _idle.Where(other => other != thread).Reverse()];
            _idle.Clear();
            foreach (CallThread other in others)
            {
                _idle.Push(other);
            }
            return true;
        }
    }

    internal override void Close()
    {
        CallThread[] idle;
        lock (_gate)
        {
            _closed = true;
            idle = [.. _idle];
            _idle.Clear();
        }
        foreach (CallThread thread in idle)
        {
            thread.Stop();
        }
    }
}
