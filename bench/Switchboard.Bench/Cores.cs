namespace Switchboard.Bench;

/// <summary>Which processors the server under test and the load generator are kept on: one each where there are two,
/// else no matter.</summary>
internal sealed record Cores(int? Server, int? Generator)
{
    private const string Allowed = "Cpus_allowed_list:";

    /// <summary>The first two processors that this process may run on, as <c>/proc/self/status</c> lists them.</summary>
    private static Cores Find()
    {
        string list = File.ReadLines("/proc/self/status").First(line => line.StartsWith(Allowed, StringComparison.Ordinal))[Allowed.Length..];
        int[] processors = [.. list.Split(',').SelectMany(Expand).Take(2)];
        return processors.Length == 2 ? new Cores(processors[0], processors[1]) : new Cores(null, null);
    }

    /// <summary>As <see cref="Find"/>, and tells on standard error where what runs.</summary>
    internal static Cores FindAndTell()
    {
        Cores cores = Find();
        Console.Error.WriteLine(cores.Server is null
            ? "There is one processor: servers and load generator share it."
            : $"Servers run on processor {cores.Server}, the load generator on processor {cores.Generator}.");
        return cores;
    }

    private static IEnumerable<int> Expand(string range)
    {
        int[] ends = [.. range.Split('-').Select(int.Parse)];
        return Enumerable.Range(ends[0], ends[^1] - ends[0] + 1);
    }
}
