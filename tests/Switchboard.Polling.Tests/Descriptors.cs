namespace Switchboard.Polling.Tests;

/// <summary>The open descriptors of this process. For tests that run alone.</summary>
internal static class Descriptors
{
    internal static int Count() => Directory.GetFileSystemEntries("/proc/self/fd").Length;

    /// <summary>Waits until there are as many as before: another thread closes what belongs to it.</summary>
    internal static void WaitFor(int count) =>
        Assert.True(SpinWait.SpinUntil(() => Count() <= count, Waits.Patience), $"{Count()} descriptors are open, {count} were before.");
}
