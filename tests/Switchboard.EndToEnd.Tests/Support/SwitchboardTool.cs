using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The <c>switchboard</c> tool as a process of its own.</summary>
internal sealed class SwitchboardTool : IDisposable
{
    private const string Listening = "listening on ";

    // Where control sockets are, also those of the killed: they go with the folder.
    private static readonly DirectoryInfo _runtime = Directory.CreateTempSubdirectory("switchboard-runtime-");

    static SwitchboardTool() => AppDomain.CurrentDomain.ProcessExit += static (_, _) => _runtime.Delete(recursive: true);

    private SwitchboardTool(ChildProgram program) => Program = program;

    internal ChildProgram Program { get; }

    /// <summary>What it says that it listens on.</summary>
    internal string Address { get; private set; } = "";

    internal int Port => IPEndPoint.Parse(Address).Port;

    internal EndPoint EndPoint => Address.StartsWith("unix:", StringComparison.Ordinal)
        ? new UnixDomainSocketEndPoint(Address[5..])
        : IPEndPoint.Parse(Address);

    /// <summary>Starts it with any words.</summary>
    internal static SwitchboardTool Start(params string[] arguments) => StartUnder([], arguments);

    /// <summary>Starts it with variables of the environment, <c>NAME=value</c>, and any words.</summary>
    internal static SwitchboardTool StartUnder(string[] variables, params string[] arguments) =>
        new(ChildProgram.Start("env", [$"XDG_RUNTIME_DIR={_runtime.FullName}", .. variables, .. Command, .. arguments]));

    /// <summary>What starts the tool, for <c>env</c> or after it. A test run in the background of a shell ignores SIGINT, and so
    /// would its children.</summary>
    internal static string[] Command => ["--default-signal=INT,TERM", ChildProgram.DotNet, "exec", Path.Combine(AppContext.BaseDirectory, "switchboard.dll")];

    /// <summary>Starts <c>serve</c>, on a free port unless the words say where, and waits until callers can connect.</summary>
    internal static Task<SwitchboardTool> ServeAsync(string what, params string[] arguments) => ServeUnderAsync([], what, arguments);

    /// <summary>As <see cref="ServeAsync"/>, with variables of the environment.</summary>
    internal static Task<SwitchboardTool> ServeUnderAsync(string[] variables, string what, params string[] arguments)
    {
        string[] where = arguments.Contains("--bind") ? [] : ["--bind", "127.0.0.1:0"];
        return ListeningAsync(StartUnder(variables, ["serve", what, .. where, .. arguments]));
    }

    /// <summary>Waits until callers can connect to a tool that another program has started.</summary>
    internal static Task<SwitchboardTool> ListeningAsync(ChildProgram program) => ListeningAsync(new SwitchboardTool(program));

    private static async Task<SwitchboardTool> ListeningAsync(SwitchboardTool tool)
    {
        try
        {
            tool.Address = (await tool.Program.WaitForLineAsync(Listening))[Listening.Length..];
            return tool;
        }
        catch
        {
            tool.Dispose();
            throw;
        }
    }

    /// <summary>Runs it to its end, with any words.</summary>
    internal static async Task<(int ExitCode, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using SwitchboardTool tool = Start(arguments);
        return await tool.Program.WaitForEndAsync();
    }

    internal Task<Caller> CallAsync() => Caller.ConnectAsync(EndPoint);

    internal void Signal(string name) => Send(name, Program.Id);

    /// <summary>Sends a signal and waits for the end.</summary>
    internal Task<(int ExitCode, string Output, string Error)> EndAsync(string signal = "INT")
    {
        Signal(signal);
        return Program.WaitForEndAsync();
    }

    /// <summary>Sends a signal to a process.</summary>
    internal static void Send(string signal, int id)
    {
        using var kill = Process.Start("/bin/sh", ["-c", $"kill -s {signal} {id}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    public void Dispose() => Program.Dispose();
}
