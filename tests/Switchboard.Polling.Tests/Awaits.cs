namespace Switchboard.Polling.Tests;

internal static class Awaits
{
    /// <summary>The task, for as long as a test waits for what must happen.</summary>
    internal static Task Within(this Task task) => task.WaitAsync(Waits.Patience, TestContext.Current.CancellationToken);

    /// <inheritdoc cref="Within(Task)"/>
    internal static Task<T> Within<T>(this Task<T> task) => task.WaitAsync(Waits.Patience, TestContext.Current.CancellationToken);

    /// <inheritdoc cref="Within(Task)"/>
    internal static Task Within(this ValueTask task) => task.AsTask().Within();

    /// <inheritdoc cref="Within(Task)"/>
    internal static Task<T> Within<T>(this ValueTask<T> task) => task.AsTask().Within();
}
