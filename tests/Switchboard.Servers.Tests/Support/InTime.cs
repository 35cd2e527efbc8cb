namespace Switchboard.Servers.Tests;

/// <summary>The one deadline of all waits: a test that hangs fails with a stack instead.</summary>
internal static class Deadline
{
    internal static readonly TimeSpan Time = TimeSpan.FromSeconds(30);

    internal const int Milliseconds = 60_000;

    internal static Task InTime(this Task task) => task.WaitAsync(Time);

    internal static Task<T> InTime<T>(this Task<T> task) => task.WaitAsync(Time);

    internal static Task InTime(this ValueTask task) => task.AsTask().WaitAsync(Time);

    internal static Task<T> InTime<T>(this ValueTask<T> task) => task.AsTask().WaitAsync(Time);

    internal static void Join(Thread thread) => Assert.True(thread.Join(Time), $"{thread.Name} did not end in time.");

    /// <summary>For what the kernel or the runtime finishes without telling: looks again until it is so.</summary>
    internal static async Task UntilAsync(Func<bool> condition, string what)
    {
        long end = Environment.TickCount64 + (long)Time.TotalMilliseconds;
        while (!condition())
        {
            Assert.True(Environment.TickCount64 < end, $"In vain: {what}.");
            await Task.Yield();
        }
    }
}
