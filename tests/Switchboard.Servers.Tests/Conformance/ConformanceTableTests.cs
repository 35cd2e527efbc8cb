using System.Reflection;
using System.Text.RegularExpressions;

namespace Switchboard.Servers.Tests;

public sealed partial class ConformanceTableTests
{
    [Fact]
    public void The_table_of_socketserver_names_only_tests_that_exist()
    {
        string[] named = [.. TestName().Matches(Section("## socketserver")).Select(match => match.Groups[1].Value).Distinct()];
        Assert.True(named.Length > 10, $"Only {named.Length} tests were found in the table.");
        HashSet<string> tests = [.. typeof(ConformanceTableTests).Assembly.GetTypes()
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
