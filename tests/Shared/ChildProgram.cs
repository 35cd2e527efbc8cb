using System.Diagnostics;
using System.Text;

namespace Switchboard.Tests;

/// <summary>A program that a test started as a process of its own. It is killed at the latest when this is disposed.</summary>
internal sealed class ChildProgram : IDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly Task _reader;
    private readonly Task<string> _error;
    private readonly Lock _gate = new();
    private readonly StringBuilder _output = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _read;

    private ChildProgram(Process process)
    {
        _process = process;
        _reader = ReadOutputAsync();
        _error = process.StandardError.ReadToEndAsync();
    }

    /// <summary>The <c>dotnet</c> that these tests run under.</summary>
    internal static string DotNet => Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } path ? path : "dotnet";

    /// <summary>Its process id.</summary>
    internal int Id => _process.Id;

    /// <summary>All that it has written to standard output so far.</summary>
    internal string Output
    {
        get
        {
            lock (_gate)
            {
                return _output.ToString();
            }
        }
    }

    /// <summary>Starts any program that is found on the path.</summary>
    internal static ChildProgram Start(string file, params string[] arguments)
    {
        ProcessStartInfo start = new(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
            StandardOutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
        };
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        return new ChildProgram(Process.Start(start)!);
    }

    /// <summary>Starts a .NET program that was built beside the tests, by the name of its assembly.</summary>
    internal static ChildProgram StartAssembly(string name, params string[] arguments) =>
        Start(DotNet, ["exec", AssemblyPath(name), .. arguments]);

    /// <summary>Starts a shell with a command in which <c>"$@"</c> is a .NET program that was built beside the tests,
    /// so that the command can say where its input comes from.</summary>
    internal static ChildProgram StartAssemblyInShell(string command, string name, params string[] arguments) =>
        Start("/bin/sh", ["-c", command, "sh", DotNet, "exec", AssemblyPath(name), .. arguments]);

    /// <summary>Writes to its standard input and flushes.</summary>
    internal void Write(string text)
    {
        _process.StandardInput.Write(text);
        _process.StandardInput.Flush();
    }

    /// <summary>Ends its standard input.</summary>
    internal void CloseInput() => _process.StandardInput.Close();

    /// <summary>Waits for the next whole line of its standard output that begins with <paramref name="start"/>, and
    /// passes over what comes before it.</summary>
    /// <returns>The line, without its end.</returns>
    internal async Task<string> WaitForLineAsync(string start = "")
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                changed = _changed.Task;
                while (NextLine() is { } line)
                {
                    if (line.StartsWith(start, StringComparison.Ordinal))
                    {
                        return line;
                    }
                }
            }
            await WaitAsync(changed, $"the line \"{start}...\"");
        }
    }

    /// <summary>Waits until what it has written to standard output satisfies a condition.</summary>
    internal async Task WaitForOutputAsync(Func<string, bool> condition)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                changed = _changed.Task;
            }
            if (condition(Output))
            {
                return;
            }
            await WaitAsync(changed, "the expected output");
        }
    }

    /// <summary>Waits for its end.</summary>
    /// <returns>The exit code, and all of both outputs.</returns>
    internal async Task<(int ExitCode, string Output, string Error)> WaitForEndAsync()
    {
        string error = await _error.WaitAsync(_patience, TestContext.Current.CancellationToken);
        await _reader.WaitAsync(_patience, TestContext.Current.CancellationToken);
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(_patience, TestContext.Current.CancellationToken);
        return (_process.ExitCode, Output, error);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }
        _process.Dispose();
    }

    private static string AssemblyPath(string name) => Path.Combine(AppContext.BaseDirectory, name + ".dll");

    private string? NextLine()
    {
        for (int i = _read; i < _output.Length; i++)
        {
            if (_output[i] == '\n')
            {
                string line = _output.ToString(_read, i - _read);
                _read = i + 1;
                return line;
            }
        }
        return null;
    }

    private async Task WaitAsync(Task changed, string what)
    {
        if (_reader.IsCompleted && !changed.IsCompleted)
        {
            Assert.Fail($"The program ended before {what}. It wrote:\n{Output}\nand to standard error:\n{await _error}");
        }
        try
        {
            await Task.WhenAny(changed, _reader).WaitAsync(_patience, TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"There was no sign of {what}. The program wrote:\n{Output}");
        }
    }

    private async Task ReadOutputAsync()
    {
        char[] chunk = new char[4096];
        int count;
        while ((count = await _process.StandardOutput.ReadAsync(chunk)) > 0)
        {
            TaskCompletionSource changed;
            lock (_gate)
            {
                _output.Append(chunk, 0, count);
                changed = _changed;
                _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
            changed.SetResult();
        }
    }
}
