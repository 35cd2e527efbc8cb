using Switchboard.Linux;

namespace Switchboard.Workers;

/// <content>From the thread's first step to its last, and who is between the two.</content>
public partial class ThreadWorker
{
    private static readonly Lock _activeGate = new();
    private static readonly HashSet<ThreadWorker> _active = [];
    private static int _lastNumber;

    [ThreadStatic]
    private static ThreadWorker? _current;

    private readonly TaskCompletionSource? _completion;
    private volatile int _nativeId;

    /// <summary>The worker whose work the calling thread runs; null on every other thread, the main one for example.</summary>
    public static ThreadWorker? Current => _current;

    /// <summary>All workers that are alive at the moment of the call, in no particular order.</summary>
    public static IReadOnlyCollection<ThreadWorker> Active
    {
        get
        {
            lock (_activeGate)
            {
                return [.. _active];
            }
        }
    }

    /// <inheritdoc/>
    public override bool IsAlive => _state == WorkerState.Started;

    /// <inheritdoc/>
    /// <remarks>To await the end without throwing what the work threw:
    /// <c>await worker.Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing)</c>.</remarks>
    public override Task Completion => _completion!.Task;

    /// <summary>The thread's number as the kernel has it (<c>gettid(2)</c>), which <c>top -H</c> and
    /// <c>/proc/self/task</c> show; null before the start, and on systems other than Linux. Another thread may get the
    /// same number after this one has ended.</summary>
    public int? NativeId
    {
        get
        {
            if (_state == WorkerState.Initial || !OperatingSystem.IsLinux())
            {
                return null;
            }
            // The thread writes its number before anything else, so the wait is as short as its way to a core.
            var wait = new SpinWait();
            while (_nativeId == 0)
            {
                wait.SpinOnce();
            }
            return _nativeId;
        }
    }

    /// <summary>Ends the life with success, if <paramref name="failure"/> is null, or with that exception.</summary>
    private protected virtual void Complete(Exception? failure)
    {
        if (failure is null)
        {
            _completion!.SetResult();
            return;
        }
        _completion!.SetException(failure);
        // It was reported: the runtime's own report of a task that nobody looked at would be the second.
        _ = _completion.Task.Exception;
    }

    /// <summary>Tells of an exception of the work while the worker is still alive, so that who joins it finds it told.</summary>
    private protected virtual void Tell(Exception failure) => RaiseUnhandledException(failure);

    private static TaskCompletionSource NewCompletion() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static string NextName() => $"ThreadWorker-{Interlocked.Increment(ref _lastNumber)}";

    private void AddToActive()
    {
        lock (_activeGate)
        {
            _active.Add(this);
        }
    }

    private void Live()
    {
        if (OperatingSystem.IsLinux())
        {
            _nativeId = ThreadCalls.CurrentThreadId();
        }
        lock (_settings)
        {
            _current = this;
        }
        Exception? failure = null;
        try
        {
            Run();
        }
        catch (Exception exception)
        {
            failure = exception;
            Tell(exception);
        }
        // What the work holds can be collected although somebody keeps the worker.
        _work = null;
        lock (_settings)
        {
            _state = WorkerState.Stopped;
        }
        lock (_activeGate)
        {
            _active.Remove(this);
        }
        Complete(failure);
    }
}
