namespace Switchboard.Servers;

/// <summary>What a server does with a caller when its calls are at their limit.</summary>
public enum WhenFull
{
    /// <summary>Leave it in the backlog until a call ends.</summary>
    Wait,
    /// <summary>Accept it and close it at once, with the reason <see cref="ConnectionEndReason.Limit"/>.</summary>
    Refuse,
}

/// <summary>Where calls run: the one argument that decides it. Handlers stay the same. Immutable; one object may serve
/// several servers, each of which has loops or threads of its own, but for the event loops of one <see cref="ServerGroup"/>.</summary>
public abstract class Concurrency
{
    private protected Concurrency()
    {
    }

    /// <summary>One call at a time, on the server's own thread; the others wait in the backlog.</summary>
    /// <returns>The model.</returns>
    public static Concurrency Sequential() => new SequentialConcurrency();

    /// <summary>A thread for each call. Threads are kept and used again.</summary>
    /// <param name="limit">The most calls at once, 1 or more. Default 2,048.</param>
    /// <param name="whenFull">What becomes of callers beyond the limit.</param>
    /// <param name="background">False if a running call keeps the program alive.</param>
    /// <param name="joinOnClose">False if a stop does not wait for calls, nor end them.</param>
    /// <returns>The model.</returns>
    public static Concurrency Threads(int limit = 2048, WhenFull whenFull = WhenFull.Wait, bool background = true, bool joinOnClose = true)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        return new ThreadsConcurrency(limit, whenFull, background, joinOnClose);
    }

    /// <summary>All calls on one event loop, or on several, each with a thread of its own that also accepts: one core
    /// serves thousands of callers, as long as no handler blocks its thread.</summary>
    /// <param name="loops">How many loops, 1 or more; 0 for one a processor that this process may use. Default 1.</param>
    /// <returns>The model.</returns>
    /// <remarks>A handler that has to compute or block for long belongs on another thread (<c>await Task.Run(...)</c>), or
    /// under <see cref="Threads"/>. A <see cref="BlockingRequestHandler"/> is refused when the server is made.</remarks>
    public static Concurrency EventLoop(int loops = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(loops);
        return new EventLoopConcurrency(loops == 0 ? Environment.ProcessorCount : loops);
    }

    /// <summary>All calls on the thread pool, on the base library's asynchronous sockets. Each call runs one piece at a time,
    /// on whatever thread is free: the model for systems without <c>epoll(7)</c>.</summary>
    /// <returns>The model.</returns>
    /// <remarks><para>A <see cref="TcpServer"/> with this model makes no system call of its own, so that it also runs where the
    /// others can't; <see cref="Polling.ListenerOptions.ReusePort"/>, Unix sockets and datagrams still need Linux.</para>
    /// <para>A handler that blocks takes a thread of the pool away from everybody; a
    /// <see cref="BlockingRequestHandler"/> is refused when the server is made.</para></remarks>
    public static Concurrency Tasks() => new TasksConcurrency();

    internal abstract CallModel Create(ModelSettings settings);

    /// <summary>How many event loops it has that servers can share; null for a model without.</summary>
    internal virtual int? LoopCount => null;

    /// <summary>The most calls at once; null for any number.</summary>
    internal virtual int? CallLimit => null;

    /// <summary>What a handler would hold up that blocks its thread; null if it may.</summary>
    internal virtual string? HeldUpByBlocking => null;

    private sealed class SequentialConcurrency : Concurrency
    {
        internal override CallModel Create(ModelSettings settings) => new SequentialModel(settings);

        internal override int? CallLimit => 1;

        public override string ToString() => "Sequential()";
    }

    private sealed class EventLoopConcurrency(int loops) : Concurrency
    {
        internal override CallModel Create(ModelSettings settings) => new EventLoopModel(new Polling.EventLoopGroup(loops));

        internal override int? LoopCount => loops;

        internal override string? HeldUpByBlocking => "the event loop and every caller on it";

        public override string ToString() => $"EventLoop({loops})";
    }

    private sealed class TasksConcurrency : Concurrency
    {
        internal override CallModel Create(ModelSettings settings) => new TasksModel(settings);

        internal override string? HeldUpByBlocking => "the thread pool, on which every caller is served";

        public override string ToString() => "Tasks()";
    }

    private sealed class ThreadsConcurrency(int limit, WhenFull whenFull, bool background, bool joinOnClose) : Concurrency
    {
        internal override CallModel Create(ModelSettings settings) => new ThreadsModel(settings, limit, whenFull, background, joinOnClose);

        internal override int? CallLimit => limit;

        public override string ToString() => $"Threads({limit})";
    }
}
