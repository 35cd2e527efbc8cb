namespace Switchboard.Workers;

/// <summary>Runs work that has a result on a thread of its own.</summary>
/// <remarks>
/// <para>An exception that leaves the work belongs to who asks for the result: <see cref="Result"/> and an await of
/// <see cref="Completion"/> throw it. If nobody has asked for either when the worker is collected or the program ends,
/// it goes to <see cref="ThreadWorker.UnhandledException"/>. Once <see cref="Completion"/> has been read, the rules for
/// tasks hold (<see cref="TaskScheduler.UnobservedTaskException"/>).</para>
/// <para>All members are safe to call from any thread.</para>
/// </remarks>
/// <typeparam name="T">The result's type.</typeparam>
public class ThreadWorker<T> : ThreadWorker
{
    private readonly Lock _asking = new();
    private readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Func<T>? _work;
    private T? _result;
    private bool _asked;
    private UnaskedFailure? _unasked;

    /// <summary>Makes a worker whose work is its <see cref="Compute"/>, for classes that derive from this one.</summary>
    protected ThreadWorker() : base(name: null)
    {
    }

    /// <summary>Makes a worker that does nothing until <see cref="ThreadWorker.Start()"/>.</summary>
    /// <param name="work">What to run on the thread.</param>
    /// <exception cref="ArgumentNullException">There is no work.</exception>
    /// <exception cref="ArgumentException">The work is asynchronous.</exception>
    public ThreadWorker(Func<T> work) : this(work, name: null)
    {
    }

    internal ThreadWorker(Func<T> work, string? name) : base(name)
    {
        ArgumentNullException.ThrowIfNull(work);
        AsynchronousWork.Refuse(work);
        _work = work;
    }

    /// <summary>Completes with the result, or faults with the exception that ended the work. It stays pending for a
    /// worker that is never started. Continuations don't run on the worker's thread.</summary>
    public override Task<T> Completion
    {
        get
        {
            lock (_asking)
            {
                _asked = true;
                if (_unasked is { } failure)
                {
                    failure.Withdraw();
                    _unasked = null;
                    _completion.SetException(failure.Exception);
                }
            }
            return _completion.Task;
        }
    }

    /// <summary>Waits until the work has ended and gives its result. What the work threw is thrown here, as it was.</summary>
    /// <exception cref="InvalidOperationException">The worker was not started, or it would wait for itself.</exception>
    public T Result
    {
        get
        {
            Join();
            return Completion.GetAwaiter().GetResult();
        }
    }

    /// <summary>The work. It runs once, on the worker's own thread; override it in a class that derives from this one.
    /// Unless it is overridden, it calls what the constructor was given.</summary>
    /// <returns>The result.</returns>
    /// <exception cref="InvalidOperationException">It is not overridden, and the constructor was given nothing.</exception>
    protected virtual T Compute() => _work is { } work
        ? work()
        : throw new InvalidOperationException($"{this} has no work: override Compute, or give the constructor a function.");

    /// <summary>Keeps what <see cref="Compute"/> returns.</summary>
    protected sealed override void Run() => _result = Compute();

    private protected override void Tell(Exception failure)
    {
    }

    private protected override void Complete(Exception? failure)
    {
        _work = null;
        if (failure is null)
        {
            _completion.SetResult(_result!);
            return;
        }
        lock (_asking)
        {
            if (_asked)
            {
                _completion.SetException(failure);
                return;
            }
            _unasked = UnaskedFailure.Keep(failure, RaiseUnhandledException);
        }
    }
}
