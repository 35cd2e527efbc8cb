using System.Diagnostics;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The benchmark program, running as a user starts it. Whatever becomes of the test, it and what it started end.</summary>
internal sealed class BenchProgram : IDisposable
{
    private readonly Process _process;

    internal BenchProgram(params string[] arguments) => _process = Process.Start(new ProcessStartInfo(ProgramPath, arguments)
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    internal int Id => _process.Id;

    internal async Task<string> ReadProgressLineAsync() =>
        await _process.StandardError.ReadLineAsync(TestContext.Current.CancellationToken) ?? throw new InvalidDataException("The benchmark ended.");

    /// <summary>Waits for its end.</summary>
    /// <returns>Its result lines, what is left of its progress, and its exit code.</returns>
    internal async Task<(string[] Results, string Progress, int ExitCode)> EndAsync()
    {
        Task<string> progress = _process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string results = await _process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (results.Split('\n', StringSplitOptions.RemoveEmptyEntries), await progress, _process.ExitCode);
    }

    /// <summary>The processes that it started and that still run, with their command lines.</summary>
    internal IReadOnlyDictionary<int, string> Children() =>
        Directory.EnumerateDirectories($"/proc/{Id}/task")
            .SelectMany(thread => Read(Path.Combine(thread, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(int.Parse)
            .ToDictionary(child => child, child => CommandLineOf(child));

    /// <summary>The command line of a process, its words parted by spaces; empty if there is no such process.</summary>
    internal static string CommandLineOf(int process) => Read($"/proc/{process}/cmdline").Replace('\0', ' ').Trim();

    // A thread or process may end between being listed and being read.
    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            return "";
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }
        _process.Dispose();
    }

    // The same configuration as these tests': .../tests/PROJECT/bin/CONFIGURATION/FRAMEWORK.
    private static string ProgramPath
    {
        get
        {
            DirectoryInfo framework = new(AppContext.BaseDirectory);
            DirectoryInfo configuration = framework.Parent!;
            DirectoryInfo root = configuration.Parent!.Parent!.Parent!.Parent!;
            return Path.Combine(root.FullName, "bench", "Switchboard.Bench", "bin", configuration.Name, framework.Name, "Switchboard.Bench");
        }
    }
}
