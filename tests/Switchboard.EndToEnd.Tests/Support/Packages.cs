using System.IO.Compression;
using System.Xml.Linq;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>What <c>dotnet pack</c> makes of the solution, packed once from what was built with these tests. Nothing is
/// compiled, and no file that a running test uses is written.</summary>
public sealed class Packages : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    internal string[] Names => [.. Directory.EnumerateFiles(_folder.Root, "*.nupkg").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    /// <summary>What the one property of all projects says.</summary>
    internal static string Version { get; } = XDocument.Load(Repository.At("Directory.Build.props")).Descendants("VersionPrefix").Single().Value;

    /// <summary>Opens a package.</summary>
    internal ZipArchive Open(string project, string extension = "nupkg") => ZipFile.OpenRead(_folder[$"{project}.{Version}.{extension}"]);

    public async ValueTask InitializeAsync()
    {
        // Servers that stay behind would hold our end of the pipe open.
        using ChildProgram pack = ChildProgram.Start("env", $"--chdir={Repository.Root}", ChildProgram.DotNet, "pack", "--no-build", "--no-restore", "-c", Repository.Configuration, "-o", _folder.Root,
            "-nodeReuse:false", "-v", "quiet", $"-p:NuspecOutputPath={_folder["nuspec"]}/", $"-p:PublishDir={_folder["publish"]}/");
        (int exitCode, string output, string error) = await pack.WaitForEndAsync();
        Assert.True(exitCode == 0, output + error);
    }

    public ValueTask DisposeAsync()
    {
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }
}
