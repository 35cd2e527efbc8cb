using System.Diagnostics;
using Switchboard.Linux;

namespace Switchboard.Bench;

/// <summary>A process of this run, kept on one processor, that is spoken to in lines over its standard input and
/// output. It ends with this object; if this program is killed, it ends because its standard input does.</summary>
internal sealed class ChildProcess : IDisposable
{
    private static readonly TimeSpan _longestAnswer = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan _longestGoodbye = TimeSpan.FromSeconds(2);

    private readonly Process _process;
    private readonly string _name;

    private ChildProcess(Process process, string name) => (_process, _name) = (process, name);

    internal int Id => _process.Id;

    /// <summary>The processor time that it has used so far, in all its threads.</summary>
    /// <exception cref="BenchException">It has ended.</exception>
    internal TimeSpan ProcessorTime
    {
        get
        {
            try
            {
                return ProcessCalls.ProcessorTime(Id);
            }
            catch (SystemCallException)
            {
                throw Ended();
            }
        }
    }

    /// <summary>Starts a program.</summary>
    /// <param name="name">What messages call it.</param>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="processor">Where to keep it; null for anywhere.</param>
    /// <param name="environment">Variables to add.</param>
    internal static ChildProcess Start(string name, IReadOnlyList<string> command, int? processor, params (string Name, string Value)[] environment)
    {
        string[] pinned = processor is { } number ? ["taskset", "-c", $"{number}", .. command] : [.. command];
        ProcessStartInfo start = new(pinned[0], pinned[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach ((string variable, string value) in environment)
        {
            start.Environment[variable] = value;
        }
        try
        {
            return new ChildProcess(Process.Start(start)!, name);
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            throw new BenchException($"{name} could not be started with '{string.Join(' ', pinned)}': {exception.Message}.");
        }
    }

    /// <summary>A command that starts this program again.</summary>
    internal static string[] Self(params string[] arguments)
    {
        // Under the `dotnet` host the program is the assembly, else it is the process's own file.
        string program = Environment.ProcessPath!;
        return Path.GetFileNameWithoutExtension(program) == "dotnet"
            ? [program, typeof(ChildProcess).Assembly.Location, .. arguments]
            : [program, .. arguments];
    }

    internal void Say(string line)
    {
        try
        {
            _process.StandardInput.WriteLine(line);
            _process.StandardInput.Flush();
        }
        catch (IOException)
        {
            throw Ended();
        }
    }

    /// <summary>The next line that the process writes.</summary>
    /// <exception cref="BenchException">It ended, or wrote nothing for a minute.</exception>
    internal async Task<string> HearAsync(CancellationToken stop)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(_longestAnswer);
        try
        {
            return await _process.StandardOutput.ReadLineAsync(patience.Token) ?? throw Ended();
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new BenchException($"{_name} (process {Id}) said nothing for {_longestAnswer.TotalSeconds} s.");
        }
    }

    private BenchException Ended()
    {
        string how = _process.WaitForExit(_longestGoodbye) ? $"with exit code {_process.ExitCode}" : "its standard streams but not itself";
        return new BenchException($"{_name} (process {Id}) ended {how} in the middle of the run; what it wrote to standard error says why.");
    }

    public void Dispose()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended already, with a line to it still unread.
        }
        if (!_process.WaitForExit(_longestGoodbye))
        {
            _process.Kill();
            _process.WaitForExit();
        }
        _process.Dispose();
    }
}
