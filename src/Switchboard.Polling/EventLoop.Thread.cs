namespace Switchboard.Polling;

// The thread that runs a loop: one of its own, or the caller's until a method completes.
public sealed partial class EventLoop : IAsyncDisposable
{
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Thread? _thread;
    private bool _disposesItself;

    /// <summary>Makes a loop that waits in the best selector of this kernel, and runs once <see cref="Run()"/> is called.</summary>
    /// <exception cref="Linux.DescriptorLimitException">No descriptor is free.</exception>
    public EventLoop() : this(Selector.Default())
    {
    }

    /// <summary>Completes when the loop has ended, with the exception that ended it if there was one. May be awaited
    /// anywhere, on the loop too.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Starts a loop on a thread of its own. <see cref="Dispose"/> or <see cref="DisposeAsync"/> stops it.</summary>
    /// <param name="name">The thread's name; the kernel shows its first 15 bytes.</param>
    /// <param name="background">False to keep the program alive until the loop has ended.</param>
    /// <param name="selector">What it waits in; the loop disposes it. Null for <see cref="Selector.Default"/>.</param>
    /// <returns>The loop, which runs.</returns>
    /// <exception cref="Linux.DescriptorLimitException">No descriptor is free.</exception>
    public static EventLoop Start(string name = "event loop", bool background = true, Selector? selector = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        EventLoop loop = new(selector ?? Selector.Default());
        ManualResetEventSlim running = new();
        loop._thread = new Thread(loop.RunOnThread) { Name = name, IsBackground = background };
        try
        {
            loop._thread.Start();
        }
        catch
        {
            loop._thread = null;
            loop.Dispose();
            throw;
        }
        // Who has the loop finds it running, so that what belongs to its thread is never done on another.
        loop.Post(static state => ((ManualResetEventSlim)state!).Set(), running);
        running.Wait();
        return loop;
    }

    /// <summary>Runs an async method on a new loop on the calling thread, until it completes: an asynchronous Main. What
    /// the method left waiting on the loop is cancelled then.</summary>
    /// <param name="main">The method; it gets the loop, and begins on it.</param>
    /// <param name="selector">What the loop waits in, and disposes. Null for <see cref="Selector.Default"/>.</param>
    /// <exception cref="InvalidOperationException">This thread runs a loop, or the loop was stopped before the method's end.</exception>
    /// <remarks>What the method throws comes out as it is. What posted work or a timer throws comes out too, and ends the
    /// loop, unless somebody subscribed to <see cref="UnhandledException"/>.</remarks>
    public static void Run(Func<EventLoop, Task> main, Selector? selector = null)
    {
        ArgumentNullException.ThrowIfNull(main);
        Run(async loop =>
        {
            await main(loop);
            return true;
        }, selector);
    }

    /// <summary>Runs an async method on a new loop on the calling thread, until it completes with a result. What the method
    /// left waiting on the loop is cancelled then.</summary>
    /// <typeparam name="T">The result's type.</typeparam>
    /// <param name="main">The method; it gets the loop, and begins on it.</param>
    /// <param name="selector">What the loop waits in, and disposes. Null for <see cref="Selector.Default"/>.</param>
    /// <returns>What the method returned.</returns>
    /// <exception cref="InvalidOperationException">This thread runs a loop, or the loop was stopped before the method's end.</exception>
    /// <remarks>What the method throws comes out as it is. What posted work or a timer throws comes out too, and ends the
    /// loop, unless somebody subscribed to <see cref="UnhandledException"/>.</remarks>
    public static T Run<T>(Func<EventLoop, Task<T>> main, Selector? selector = null)
    {
        ArgumentNullException.ThrowIfNull(main);
        if (_current is not null)
        {
            throw new InvalidOperationException("This thread runs an event loop already. Await the method there, or run it on another thread.");
        }
        using EventLoop loop = new(selector ?? Selector.Default());
        Task<T>? task = null;
        loop.Post(_ =>
        {
            task = BeginAsync(main, loop);
            task.ContinueWith(static (_, loop) => ((EventLoop)loop!).Stop(), loop, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }, null);
        loop.Run();
        return task is { IsCompleted: true }
            ? task.GetAwaiter().GetResult()
            : throw new InvalidOperationException("The event loop was stopped before the method that it was to run had completed.");

        // What it throws before its first await is the task's too.
        static async Task<T> BeginAsync(Func<EventLoop, Task<T>> main, EventLoop loop) => await main(loop);
    }

    /// <summary>Stops a loop that has a thread of its own, waits for its end without blocking, and closes what the loop
    /// holds. One that the caller runs must have stopped.</summary>
    /// <returns>Completes when all is closed.</returns>
    public async ValueTask DisposeAsync()
    {
        if (_thread is not null)
        {
            Stop();
            await Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        Dispose();
    }

    private void RunOnThread()
    {
        try
        {
            Run();
        }
        catch (Exception)
        {
            // Completion tells it.
        }
        if (_disposesItself)
        {
            _thread = null;
            Dispose();
        }
    }

    /// <summary>Ends the loop's own thread if it has one. False if that must dispose the loop because it is the one that
    /// asks.</summary>
    private bool LeaveThread()
    {
        if (_thread is not { } thread)
        {
            return true;
        }
        Stop();
        if (IsCurrent)
        {
            _disposesItself = true;
            return false;
        }
        thread.Join();
        return true;
    }

    private void Complete(Exception? failure)
    {
        if (failure is null)
        {
            _completion.TrySetResult();
            return;
        }
        _completion.TrySetException(failure);
        if (_thread is null)
        {
            // Whoever called Run has seen it.
            _ = _completion.Task.Exception;
        }
    }
}
