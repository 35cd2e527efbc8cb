namespace Switchboard.Polling.Tests;

/// <summary>The open descriptors of this process, but for files: the runtime opens those of its own when it likes. For
/// tests that run alone.</summary>
internal static class Descriptors
{
    /// <summary>Counts them when what other tests left to the garbage collector is closed.</summary>
    internal static int CountBefore()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Count();
    }

    internal static int Count() =>
        Directory.GetFileSystemEntries("/proc/self/fd").Count(path => new FileInfo(path).LinkTarget is { } target && !target.StartsWith('/'));

    /// <summary>Waits until there are no more than before: another thread closes what belongs to it. It looks seldom, and
    /// not for long, lest the garbage collector closes what the test has left open.</summary>
    internal static void WaitFor(int count)
    {
        using ManualResetEventSlim never = new();
        int open = Count();
        for (int i = 0; i < 50 && open > count; i++)
        {
            never.Wait(TimeSpan.FromMilliseconds(100), TestContext.Current.CancellationToken);
            open = Count();
        }
        Assert.True(open <= count, $"{open} descriptors are open, {count} were before.");
    }
}
