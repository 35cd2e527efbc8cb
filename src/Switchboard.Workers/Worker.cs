namespace Switchboard.Workers;

/// <summary>Runs one piece of work beside its caller: what a worker on a thread and a worker in a process have in
/// common. A worker is started once, may be waited for by any number of callers, and is never started again.</summary>
/// <remarks>
/// All members are safe to call from any thread. The walk is: constructed (its settings may change), started
/// (<see cref="IsAlive"/> is true), stopped (<see cref="Completion"/> is complete, for ever). The meaning follows
/// <c>threading.Thread</c> and <c>multiprocessing.Process</c> of CPython's library reference.
/// </remarks>
public abstract class Worker
{
    private protected Worker()
    {
    }

    /// <summary>The worker's name, for people: in messages, logs and a debugger's list. It need not be unique, and
    /// may be changed at any time, also while the worker runs.</summary>
    /// <exception cref="ArgumentNullException">The name is null.</exception>
    public abstract string Name { get; set; }

    /// <summary>False for a worker that keeps the program alive until it has ended (foreground), true for one that
    /// ends with the program, wherever it happens to be (background).</summary>
    /// <exception cref="InvalidOperationException">It is set after the worker was started.</exception>
    public abstract bool IsBackground { get; set; }

    /// <summary>True from <see cref="Start"/> until the work has ended; false before and after.</summary>
    public abstract bool IsAlive { get; }

    /// <summary>Completes when the work has ended: successfully, or faulted with the exception that ended it. It
    /// stays pending for a worker that is never started. Continuations don't run on the worker itself.</summary>
    public abstract Task Completion { get; }

    /// <summary>Starts the work and returns without waiting for it.</summary>
    /// <exception cref="InvalidOperationException">The worker has been started before.</exception>
    public abstract void Start();

    /// <summary>Waits until the worker has ended. It doesn't throw what the work threw: await
    /// <see cref="Completion"/> for that.</summary>
    /// <exception cref="InvalidOperationException">The worker was not started, or it would wait for itself.</exception>
    public void Join() => Join(Timeout.InfiniteTimeSpan);

    /// <summary>Waits until the worker has ended, but not longer than a limit. It doesn't throw what the work threw:
    /// await <see cref="Completion"/> for that.</summary>
    /// <param name="timeout">0 to 2,147,483,647 ms (some 24 days), or <see cref="Timeout.InfiniteTimeSpan"/>; 0
    /// returns at once.</param>
    /// <returns>True if the worker has ended, false if the time was over first.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The limit is out of that range.</exception>
    /// <exception cref="InvalidOperationException">The worker was not started, or it would wait for itself.</exception>
    public abstract bool Join(TimeSpan timeout);
}
