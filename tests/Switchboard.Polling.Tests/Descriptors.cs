namespace Switchboard.Polling.Tests;

/// <summary>The open descriptors of this process. For tests that run alone.</summary>
internal static class Descriptors
{
    /// <summary>Counts them when what other tests left to the garbage collector is closed.</summary>
    internal static int CountBefore()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Count();
    }

    internal static int Count() => Directory.GetFileSystemEntries("/proc/self/fd").Length;

    /// <summary>Waits until there are no more than before: another thread closes what belongs to it. It looks seldom, and
    /// not for long, lest the garbage collector closes what the test has left open.</summary>
    internal static void WaitFor(int count)
    {
        using ManualResetEventSlim never = new();
        for (int i = 0; i < 50 && Count() > count; i++)
        {
            never.Wait(TimeSpan.FromMilliseconds(100), TestContext.Current.CancellationToken);
        }
        Assert.True(Count() <= count, $"{Count()} descriptors are open, {count} were before.");
    }
}
