using System.Globalization;

namespace Switchboard.Servers.Tests;

/// <summary>The threads of this process, as the kernel sees them.</summary>
internal static class LoopThreads
{
    /// <summary>What the threads whose name begins so (15 characters are kept) have had of the processor.</summary>
    internal static TimeSpan ProcessorTime(string name) => new(Of(name).Sum(thread => Spent(thread).Ticks));

    /// <summary>Their numbers.</summary>
    internal static int[] Ids(string name) => [.. Of(name).Select(thread => int.Parse(Path.GetFileName(thread), CultureInfo.InvariantCulture))];

    private static string[] Of(string name) => [.. Directory.GetDirectories("/proc/self/task").Where(thread => IsNamed(thread, name))];

    private static bool IsNamed(string thread, string name)
    {
        try
        {
            return File.ReadAllText(Path.Combine(thread, "comm")).StartsWith(name, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static TimeSpan Spent(string thread)
    {
        string counters = Path.Combine(thread, "schedstat");
        Assert.SkipUnless(File.Exists(counters), "The kernel does not count the time of a thread.");
        return TimeSpan.FromMicroseconds(long.Parse(File.ReadAllText(counters).Split(' ')[0], CultureInfo.InvariantCulture) / 1000);
    }
}
