using System.Reflection;
using System.Text.RegularExpressions;

namespace Switchboard.EndToEnd.Tests;

public sealed partial class FromPythonTests
{
    private const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.FlattenHierarchy;

    [Fact]
    public void Every_name_that_the_table_gives_exists()
    {
        string? table = Table();
        Assert.SkipUnless(table is not null, "docs/from-python.md lies beside the sources, and these tests run without them.");
        (string Type, string Member)[] names = [.. table.Split('\n')
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal))
            .SelectMany(line => Name().Matches(line.Split(" | ")[1]))
            .Select(match => (match.Groups[1].Value, match.Groups[2].Value))
            .Distinct()];
        Assert.True(names.Length > 100, $"Only {names.Length} names were found in the table.");
        ILookup<string, Type> types = Types().ToLookup(type => type.Name.Split('`')[0]);
        string[] missing = [.. names.Where(name => !types[name.Type].Any(type => Has(type, name.Member))).Select(name => $"{name.Type}.{name.Member}")];
        Assert.True(missing.Length == 0, $"The table gives names that do not exist: {string.Join(", ", missing)}.");
    }

    // `Type.Member`, `Type<T>.Member(...)` or the like, and no `value == 0`.
    [GeneratedRegex("`([A-Z][A-Za-z]+)(?:<\\w+>)?\\.([A-Z]\\w+)[^`]*`")]
    private static partial Regex Name();

    private static bool Has(Type type, string member) =>
        type.GetMember(member, Any).Any(found => found is not MethodBase method || method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly);

    private static IEnumerable<Type> Types() => new[]
    {
        typeof(Servers.SocketServer).Assembly,
        typeof(Polling.Selector).Assembly,
        typeof(Linux.SystemCallException).Assembly,
        typeof(Workers.ThreadWorker).Assembly,
        typeof(object).Assembly,
        typeof(Barrier).Assembly,
    }.SelectMany(assembly => assembly.GetExportedTypes());

    private static string? Table()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "docs", "from-python.md")))
        {
            folder = Path.GetDirectoryName(folder);
        }
        return folder is null ? null : File.ReadAllText(Path.Combine(folder, "docs", "from-python.md"));
    }
}
