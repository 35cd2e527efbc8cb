using System.Runtime.CompilerServices;

namespace Switchboard.Workers;

/// <summary>Refuses asynchronous work for a thread: the thread would end at the first await, and the worker would count as
/// stopped while its work goes on elsewhere.</summary>
internal static class AsynchronousWork
{
    private const string Sentence =
        "The work is asynchronous: its thread would end at the first await, and what comes after it would run elsewhere. "
        + "Await the method without a worker, or let the thread wait for it: () => WorkAsync().GetAwaiter().GetResult().";

    /// <summary>Refuses an <c>async void</c> method or lambda.</summary>
    internal static void Refuse(Action work)
    {
        if (work.Method.IsDefined(typeof(AsyncStateMachineAttribute), inherit: false))
        {
            throw new ArgumentException(Sentence, nameof(work));
        }
    }

    /// <summary>Refuses work whose result is a task.</summary>
    internal static void Refuse<T>(Func<T> work)
    {
        if (typeof(Task).IsAssignableFrom(typeof(T)) || typeof(T) == typeof(ValueTask)
            || (typeof(T).IsGenericType && typeof(T).GetGenericTypeDefinition() == typeof(ValueTask<>)))
        {
            throw new ArgumentException(Sentence, nameof(work));
        }
    }
}
