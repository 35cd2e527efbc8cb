using System.Diagnostics;

namespace Switchboard.Workers.Tests;

/// <summary>The program with verbs, running as a process of its own. Whatever becomes of the test, the process ends.</summary>
internal sealed class TestChild : IDisposable
{
    private readonly Process _process;
    private readonly Task<string> _error;

    private TestChild(string file, params string[] arguments)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // No core file of a child that is meant to crash.
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        _process = Process.Start(start)!;
        _error = _process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>All that it wrote to standard error, once it has ended.</summary>
    internal string Error { get; private set; } = "";

    internal static TestChild Start(string verb) => new(ProgramPath, verb);

    /// <summary>Starts it through a shell that runs a command first, with the program and its verb as <c>$0</c> and <c>$@</c>.</summary>
    internal static TestChild StartInShell(string script, string verb) => new("/bin/sh", "-c", script, ProgramPath, verb);

    internal Task<string?> ReadLineAsync() => _process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask();

    internal async Task SayGoAsync() => await _process.StandardInput.WriteLineAsync("go".AsMemory(), TestContext.Current.CancellationToken);

    /// <summary>Waits for its end.</summary>
    /// <returns>What is left of its output, each line with its <c>\n</c>, and its exit code.</returns>
    internal async Task<(string Output, int ExitCode)> EndAsync()
    {
        string rest = await _process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Error = await _error;
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (rest, _process.ExitCode);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }
        _process.Dispose();
    }

    private static string ProgramPath => Path.Combine(AppContext.BaseDirectory, "Switchboard.Workers.TestChild");
}
