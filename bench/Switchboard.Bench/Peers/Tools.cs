namespace Switchboard.Bench.Peers;

/// <summary>Where the programs and files of peers are.</summary>
internal static class Tools
{
    /// <summary>True if a program is on the path.</summary>
    internal static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));

    /// <summary>A file of <c>bench/peers</c>, which the build puts beside this program.</summary>
    internal static string PeerFile(string name) => Path.Combine(AppContext.BaseDirectory, "peers", name);
}
