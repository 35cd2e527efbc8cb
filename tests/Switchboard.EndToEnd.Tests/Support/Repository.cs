namespace Switchboard.EndToEnd.Tests;

/// <summary>The sources that these tests were built from.</summary>
internal static class Repository
{
    /// <summary>The folder of the solution.</summary>
    internal static string Root { get; } = Find();

    /// <summary>The configuration that these tests were built in: .../tests/PROJECT/bin/CONFIGURATION/FRAMEWORK.</summary>
    internal static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    /// <summary>The path of something in it.</summary>
    internal static string At(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>A path as seen from the root, for messages.</summary>
    internal static string Name(string path) => Path.GetRelativePath(Root, path);

    /// <summary>The files under a folder, without what a build wrote.</summary>
    internal static IEnumerable<string> Files(string folder, string pattern) =>
        Directory.EnumerateFiles(At(folder), pattern, SearchOption.AllDirectories)
            .Where(static path => !Path.GetRelativePath(Root, path).Split(Path.DirectorySeparatorChar).Any(static part => part is "bin" or "obj" or ".git"))
            .Order(StringComparer.Ordinal);

    private static string Find()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Switchboard.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }
        return folder ?? throw new InvalidOperationException($"There is no Switchboard.slnx above {AppContext.BaseDirectory}. Run the tests from the folder that they were built in.");
    }
}
