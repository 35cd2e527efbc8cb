namespace Switchboard.Bench.Peers;

/// <summary>Where the programs and files of peers are.</summary>
internal static class Tools
{
    /// <summary>True if a program is on the path.</summary>
    internal static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));

    /// <summary>The <c>switchboard</c> tool, in its own folder and of this program's configuration: beside this program it
    /// would bring other versions of the libraries that peers use.</summary>
    internal static string SwitchboardTool
    {
        get
        {
            DirectoryInfo framework = new(AppContext.BaseDirectory.TrimEnd('/'));
            DirectoryInfo configuration = framework.Parent!;
            DirectoryInfo root = configuration.Parent!.Parent!.Parent!.Parent!;
            return Path.Combine(root.FullName, "src", "Switchboard.Cli", "bin", configuration.Name, framework.Name, "switchboard");
        }
    }

    /// <summary>A file of <c>bench/peers</c>, which the build puts beside this program.</summary>
    internal static string PeerFile(string name) => Path.Combine(AppContext.BaseDirectory, "peers", name);
}
