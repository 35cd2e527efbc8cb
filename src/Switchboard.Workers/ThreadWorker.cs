using System.Runtime.CompilerServices;

namespace Switchboard.Workers;

/// <summary>Runs one piece of work on a thread of its own.</summary>
/// <remarks>
/// <para>Give it the work, or derive from it and override <see cref="Run"/>. An exception that leaves the work ends
/// this worker only: it goes to <see cref="UnhandledException"/> (by default to standard error) and faults
/// <see cref="Completion"/>. Work that has a result is a <see cref="ThreadWorker{T}"/>.</para>
/// <para>All members are safe to call from any thread. The meaning follows <c>threading.Thread</c> of CPython's library
/// reference; <c>docs/from-python.md</c> has the differences. Values of <see cref="AsyncLocal{T}"/> flow from
/// the caller of <see cref="Start()"/> into the work.</para>
/// </remarks>
public partial class ThreadWorker : Worker
{
    /// <summary>The smallest <see cref="StackSize"/>: 256 KiB. Below it the runtime's own checks for a deep call
    /// (<see cref="RuntimeHelpers.EnsureSufficientExecutionStack"/>) would refuse every call.</summary>
    public const int MinimumStackSize = 256 * 1024;

    /// <summary>The largest <see cref="StackSize"/>: 1 GiB.</summary>
    public const int MaximumStackSize = 1024 * 1024 * 1024;

    private readonly Lock _settings = new();
    private Action? _work;
    private volatile string _name;
    private volatile bool _isBackground;
    private volatile int _stackSize;
    private volatile Thread? _thread;
    private volatile WorkerState _state;

    /// <summary>Makes a worker whose work is its <see cref="Run"/>, for classes that derive from this one.</summary>
    protected ThreadWorker() : this(name: null) => _completion = NewCompletion();

    /// <summary>Makes a worker that does nothing until <see cref="Start()"/>.</summary>
    /// <param name="work">What to run on the thread.</param>
    /// <exception cref="ArgumentNullException">There is no work.</exception>
    /// <exception cref="ArgumentException">The work is asynchronous.</exception>
    public ThreadWorker(Action work) : this(work, name: null)
    {
    }

    private ThreadWorker(Action work, string? name) : this(name)
    {
        ArgumentNullException.ThrowIfNull(work);
        AsynchronousWork.Refuse(work);
        _work = work;
        _completion = NewCompletion();
    }

    private protected ThreadWorker(string? name)
    {
        _name = string.IsNullOrEmpty(name) ? NextName() : name;
        _isBackground = Current?.IsBackground ?? false;
    }

    /// <inheritdoc/>
    /// <remarks>A name that nobody chose is <c>ThreadWorker-1</c>, <c>ThreadWorker-2</c> and so on, in the order of
    /// construction. The thread bears the name too; Linux shows the first 15 bytes of it
    /// (<c>pthread_setname_np(3)</c>).</remarks>
    public override string Name
    {
        get => _name;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            lock (_settings)
            {
                _name = value;
                if (_state == WorkerState.Started)
                {
                    _thread!.Name = value;
                }
            }
        }
    }

    /// <inheritdoc/>
    /// <remarks>A worker that is made by the work of another <see cref="ThreadWorker"/> begins with that one's value,
    /// every other one in the foreground.</remarks>
    public override bool IsBackground
    {
        get => _isBackground;
        set
        {
            lock (_settings)
            {
                RefuseOnceStarted(nameof(IsBackground));
                _isBackground = value;
            }
        }
    }

    /// <summary>The size of the thread's stack in bytes, <see cref="MinimumStackSize"/> to
    /// <see cref="MaximumStackSize"/>; 0, as at first, for the system's own (<c>ulimit -s</c>). A thread that needs more
    /// ends the whole program: .NET can't catch an overflow of the stack.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is out of that range.</exception>
    /// <exception cref="InvalidOperationException">It is set after the worker was started.</exception>
    public int StackSize
    {
        get => _stackSize;
        set
        {
            if (value is not 0 and (< MinimumStackSize or > MaximumStackSize))
            {
                throw new ArgumentOutOfRangeException(nameof(value), value,
                    $"A stack of {value} bytes is out of range: choose {MinimumStackSize} to {MaximumStackSize} bytes, or 0 for the system's own size.");
            }
            lock (_settings)
            {
                RefuseOnceStarted(nameof(StackSize));
                _stackSize = value;
            }
        }
    }

    /// <summary>The thread's number as .NET has it (<see cref="Environment.CurrentManagedThreadId"/>); null before the
    /// start. Another thread may get the same number after this one has ended.</summary>
    public int? Id => _state == WorkerState.Initial ? null : _thread!.ManagedThreadId;

    /// <summary>Makes a worker and starts it.</summary>
    /// <param name="work">What to run on the thread.</param>
    /// <param name="name">The worker's name; null or empty for <c>ThreadWorker-N</c>.</param>
    /// <param name="isBackground">True to let it end with the program; null for the value of the worker that this
    /// is called from, false if it is called from none.</param>
    /// <param name="stackSize">Bytes for its stack, 0 for the system's own size: see <see cref="StackSize"/>.</param>
    /// <returns>The worker, started.</returns>
    /// <exception cref="ArgumentNullException">There is no work.</exception>
    /// <exception cref="ArgumentException">The work is asynchronous.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The stack's size is out of range.</exception>
    /// <exception cref="OutOfMemoryException">The system has no room for another thread.</exception>
    public static ThreadWorker Start(Action work, string? name = null, bool? isBackground = null, int stackSize = 0) =>
        Started(new ThreadWorker(work, name), isBackground, stackSize);

    /// <summary>Makes a worker that has a result and starts it.</summary>
    /// <typeparam name="T">The result's type.</typeparam>
    /// <param name="work">What to run on the thread.</param>
    /// <param name="name">The worker's name; null or empty for <c>ThreadWorker-N</c>.</param>
    /// <param name="isBackground">True to let it end with the program; null for the value of the worker that this
    /// is called from, false if it is called from none.</param>
    /// <param name="stackSize">Bytes for its stack, 0 for the system's own size: see <see cref="StackSize"/>.</param>
    /// <returns>The worker, started.</returns>
    /// <exception cref="ArgumentNullException">There is no work.</exception>
    /// <exception cref="ArgumentException">The work is asynchronous.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The stack's size is out of range.</exception>
    /// <exception cref="OutOfMemoryException">The system has no room for another thread.</exception>
    public static ThreadWorker<T> Start<T>(Func<T> work, string? name = null, bool? isBackground = null, int stackSize = 0) =>
        Started(new ThreadWorker<T>(work, name), isBackground, stackSize);

    /// <inheritdoc/>
    /// <exception cref="OutOfMemoryException">The system has no room for another thread; the worker may be started
    /// again later.</exception>
    public override void Start()
    {
        lock (_settings)
        {
            if (_state != WorkerState.Initial)
            {
                throw new InvalidOperationException($"{this} cannot be started: it was started before, and a worker runs once. Make another one.");
            }
            // The thread waits for this lock before it does anything, so what follows is done before its work begins.
            var thread = new Thread(Live, _stackSize) { Name = _name, IsBackground = _isBackground };
            thread.Start();
            _thread = thread;
            AddToActive();
            _state = WorkerState.Started;
        }
    }

    /// <inheritdoc/>
    public override bool Join(TimeSpan timeout)
    {
        if (timeout != Timeout.InfiniteTimeSpan && (timeout < TimeSpan.Zero || timeout.TotalMilliseconds > int.MaxValue))
        {
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout,
                $"{timeout} is no time to wait for {this}: choose 0 to {int.MaxValue} ms, or Timeout.InfiniteTimeSpan.");
        }
        if (_state == WorkerState.Initial)
        {
            throw new InvalidOperationException($"{this} cannot be joined: it was not started. Call Start first.");
        }
        if (ReferenceEquals(Current, this))
        {
            throw new InvalidOperationException($"{this} cannot be joined from its own work: it would wait for itself for ever.");
        }
        return _thread!.Join(timeout);
    }

    /// <summary>The work. It runs once, on the worker's own thread; override it in a class that derives from this one.
    /// Unless it is overridden, it calls what the constructor was given.</summary>
    protected virtual void Run() => _work?.Invoke();

    /// <summary>The worker as text: its type, name, state (initial, started or stopped), whether it is in the
    /// background, and its <see cref="Id"/>.</summary>
    /// <returns>For example <c>ThreadWorker(accept, started background 12)</c>.</returns>
    public override string ToString()
    {
        string type = GetType().Name;
        int arity = type.IndexOf('`', StringComparison.Ordinal);
        string state = _state switch
        {
            WorkerState.Initial => "initial",
            WorkerState.Started => "started",
            _ => "stopped",
        };
        return $"{(arity < 0 ? type : type[..arity])}({Name}, {state}{(_isBackground ? " background" : "")}{(Id is { } id ? $" {id}" : "")})";
    }

    private static TWorker Started<TWorker>(TWorker worker, bool? isBackground, int stackSize) where TWorker : ThreadWorker
    {
        worker.IsBackground = isBackground ?? worker.IsBackground;
        worker.StackSize = stackSize;
        worker.Start();
        return worker;
    }

    private void RefuseOnceStarted(string setting)
    {
        if (_state != WorkerState.Initial)
        {
            throw new InvalidOperationException($"{setting} of {this} cannot be set any more: it was started. Set it before Start.");
        }
    }
}
