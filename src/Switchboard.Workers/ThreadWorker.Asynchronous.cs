using System.ComponentModel;

namespace Switchboard.Workers;

/// <content>Refuses asynchronous work when it is compiled, where it would otherwise be taken for work that ends at its
/// first await.</content>
public partial class ThreadWorker
{
    private const string AsynchronousWork =
        "The work is asynchronous: its thread would end at the first await, and what comes after it would run elsewhere. "
        + "Await the method without a worker, or let the thread wait for it: () => WorkAsync().GetAwaiter().GetResult().";

    /// <summary>Does not compile: a thread has no use for asynchronous work.</summary>
    /// <param name="work">Asynchronous work.</param>
    /// <exception cref="NotSupportedException">Always.</exception>
    [Obsolete(AsynchronousWork, error: true)]
    [EditorBrowsable(EditorBrowsableState.Never)]
    public ThreadWorker(Func<Task> work) => throw new NotSupportedException(AsynchronousWork);

    /// <summary>Does not compile: a thread has no use for asynchronous work.</summary>
    /// <param name="work">Asynchronous work.</param>
    /// <param name="name">Not used.</param>
    /// <param name="isBackground">Not used.</param>
    /// <param name="stackSize">Not used.</param>
    /// <returns>Nothing.</returns>
    /// <exception cref="NotSupportedException">Always.</exception>
    [Obsolete(AsynchronousWork, error: true)]
    [EditorBrowsable(EditorBrowsableState.Never)]
    public static ThreadWorker Start(Func<Task> work, string? name = null, bool? isBackground = null, int stackSize = 0) =>
        throw new NotSupportedException(AsynchronousWork);

    /// <summary>Does not compile: a thread has no use for asynchronous work.</summary>
    /// <typeparam name="T">The type of what the task brings.</typeparam>
    /// <param name="work">Asynchronous work.</param>
    /// <param name="name">Not used.</param>
    /// <param name="isBackground">Not used.</param>
    /// <param name="stackSize">Not used.</param>
    /// <returns>Nothing.</returns>
    /// <exception cref="NotSupportedException">Always.</exception>
    [Obsolete(AsynchronousWork, error: true)]
    [EditorBrowsable(EditorBrowsableState.Never)]
    public static ThreadWorker<T> Start<T>(Func<Task<T>> work, string? name = null, bool? isBackground = null, int stackSize = 0) =>
        throw new NotSupportedException(AsynchronousWork);
}
