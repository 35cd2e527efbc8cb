namespace Switchboard.Polling;

/// <summary>Something that waits on a loop, as the data of a registration or the state of a timer, and is told when the
/// loop ends, so that nobody waits for ever.</summary>
internal interface ILoopWaiter
{
    /// <summary>The loop has ended: fail what is pending with <see cref="EventLoop.Ended"/>, and leave the loop.</summary>
    void OnLoopEnded();
}

// What still waits on a loop when it ends.
public sealed partial class EventLoop
{
    /// <summary>True from the moment in which the loop begins to end: nothing may begin to wait on it any more.</summary>
    internal bool HasEnded => Volatile.Read(ref _hasEnded);

    /// <summary>True while a thread other than the calling one is in <see cref="Run()"/>.</summary>
    internal bool RunsElsewhere => _owner is var owner && owner != -1 && owner != Environment.CurrentManagedThreadId;

    internal static OperationCanceledException Ended() =>
        new("The event loop has ended, and with it what waited on it. Stop a loop when its work is done.");

    internal void ThrowIfEnded()
    {
        if (HasEnded)
        {
            throw Ended();
        }
    }

    internal void ThrowIfElsewhere()
    {
        if (RunsElsewhere)
        {
            throw new InvalidOperationException("This belongs to the loop's thread, and another thread called it. Use InvokeAsync or Post to get there.");
        }
    }

    private void EndWaiters()
    {
        EndSignals();
        foreach (LoopTimer timer in _timers.ToArray())
        {
            (timer.State as ILoopWaiter)?.OnLoopEnded();
        }
        foreach (SelectorKey key in _selector.Keys.ToArray())
        {
            if (key.IsRegistered)
            {
                (key.Data as ILoopWaiter)?.OnLoopEnded();
            }
        }
    }
}
