using System.Reflection;
using System.Text.RegularExpressions;

namespace Switchboard.Tests;

/// <summary>The table of CPython's cases in <c>tests/conformance.md</c>.</summary>
internal static partial class ConformanceTable
{
    /// <summary>Fails if a section names a test that an assembly does not have, or hardly any.</summary>
    internal static void AssertNamesTestsOf(Assembly assembly, string section, int more)
    {
        string[] named = [.. TestName().Matches(Section($"## {section}")).Select(match => match.Groups[1].Value).Distinct()];
        Assert.True(named.Length > more, $"Only {named.Length} tests were found in the table.");
        HashSet<string> tests = [.. assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Instance).Select(method => $"{type.Name}.{method.Name}"))];
        Assert.Equal([], named.Except(tests));
    }

    [GeneratedRegex("`([A-Za-z]+Tests\\.[A-Za-z_]+)`")]
    private static partial Regex TestName();

    private static string Section(string heading)
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "tests", "conformance.md")))
        {
            folder = Path.GetDirectoryName(folder);
        }
        Assert.SkipUnless(folder is not null, "The table lies beside the sources, and these tests run without them.");
        string table = File.ReadAllText(Path.Combine(folder, "tests", "conformance.md"));
        int start = table.IndexOf(heading + "\n", StringComparison.Ordinal);
        Assert.True(start >= 0, $"There is no section {heading}.");
        int end = table.IndexOf("\n## ", start + 1, StringComparison.Ordinal);
        return end < 0 ? table[start..] : table[start..end];
    }
}
