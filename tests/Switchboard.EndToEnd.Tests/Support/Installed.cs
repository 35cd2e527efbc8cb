namespace Switchboard.EndToEnd.Tests;

/// <summary>The programs of this machine that tests talk to.</summary>
internal static class Installed
{
    /// <summary>Skips the test, and says so, where a program is missing.</summary>
    internal static void Require(string name) => Assert.SkipUnless(
        Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, name))),
        $"{name} is not installed.");
}
