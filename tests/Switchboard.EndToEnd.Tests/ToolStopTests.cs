namespace Switchboard.EndToEnd.Tests;

/// <summary><c>switchboard stop</c> waits for the end, and says how it was.</summary>
public sealed class ToolStopTests : IDisposable
{
    private const int Limit = 60_000;

    private readonly TemporaryFolder _folder = new();

    private string Control => _folder["control"];

    public void Dispose() => _folder.Dispose();

    [Theory(Timeout = Limit)]
    [InlineData("threads")]
    [InlineData("eventloop")]
    [InlineData("tasks")]
    public async Task It_returns_when_the_program_is_gone(string model)
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--model", model, "--control", Control);
        using Caller caller = await tool.CallAsync();
        await caller.SendAsync("1");
        await caller.ExpectAsync("1");
        (int exitCode, string output, string error) = await StopAsync();
        Assert.Equal("", error);
        Assert.Equal(0, exitCode);
        Assert.Matches(@"^It has ended after \d+\.\d s, and all calls had ended before\.\n$", output);
        Assert.False(File.Exists(Control));
        Assert.False(IsRunning(tool.Program.Id));
        Assert.Equal(0, (await tool.Program.WaitForEndAsync()).ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task It_counts_the_calls_that_were_cut_off()
    {
        using SwitchboardTool tool = await ServeStubbornAsync("200ms");
        using Caller caller = await tool.CallAsync();
        await caller.ExpectAsync("here");
        (int exitCode, string output, _) = await StopAsync();
        Assert.EndsWith(" s. 1 calls still ran after the grace and were cut off.\n", output);
        Assert.Equal(0, exitCode);
        Assert.Equal(0, (await tool.Program.WaitForEndAsync()).ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task It_waits_no_longer_than_it_is_told_and_the_program_goes_on()
    {
        using SwitchboardTool tool = await ServeStubbornAsync("1000s");
        using Caller caller = await tool.CallAsync();
        await caller.ExpectAsync("here");
        (int exitCode, string output, string error) = await StopAsync("--timeout", "300ms");
        Assert.Equal(1, exitCode);
        Assert.Empty(output);
        Assert.Equal($"It still runs after 0.3 seconds; 1 calls are open. Wait longer with --timeout, or end process {tool.Program.Id} at once: kill -TERM {tool.Program.Id}\n", error);
        (exitCode, output, _) = await StopAsync("--no-wait");
        Assert.Equal("It stops; calls that run have 1000s.\n", output);
        Assert.Equal(0, exitCode);
        Assert.True(IsRunning(tool.Program.Id));
        // A signal after the first way to stop ends it at once.
        Assert.Equal(128 + 15, (await tool.EndAsync("TERM")).ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task A_program_that_is_killed_while_it_is_waited_for_has_ended()
    {
        using SwitchboardTool tool = await ServeStubbornAsync("1000s");
        using Caller caller = await tool.CallAsync();
        await caller.ExpectAsync("here");
        using SwitchboardTool stop = SwitchboardTool.Start("stop", "--control", Control);
        // It has been asked once the server takes no more callers.
        await WaitUntilRefusedAsync(tool);
        tool.Signal("KILL");
        (int exitCode, string output, string error) = await stop.Program.WaitForEndAsync();
        Assert.Equal("", error);
        Assert.Equal(0, exitCode);
        Assert.Matches(@"^It has ended after \d+\.\d s\.\n$", output);
    }

    private Task<(int ExitCode, string Output, string Error)> StopAsync(params string[] words) => SwitchboardTool.RunAsync(["stop", "--control", Control, .. words]);

    private Task<SwitchboardTool> ServeStubbornAsync(string grace)
    {
        string assembly = _folder["Stubborn.dll"];
        Assert.Empty(Compiler.Compile(assembly, """
            public sealed class Stubborn : Switchboard.Servers.RequestHandler
            {
                protected override async Task HandleAsync(CancellationToken stop)
                {
                    await Connection.WriteAsync("here"u8.ToArray());
                    await Task.Delay(Timeout.Infinite, CancellationToken.None);
                }
            }
            """));
        return SwitchboardTool.ServeAsync(assembly, "--grace", grace, "--control", Control);
    }

    private static async Task WaitUntilRefusedAsync(SwitchboardTool tool)
    {
        try
        {
            while (true)
            {
                (await tool.CallAsync()).Dispose();
            }
        }
        catch (System.Net.Sockets.SocketException)
        {
            // What was waited for.
        }
    }

    /// <summary>A process that has ended and was not yet waited for does not run.</summary>
    private static bool IsRunning(int process)
    {
        try
        {
            return !File.ReadAllText($"/proc/{process}/stat").Split(") ")[1].StartsWith('Z');
        }
        catch (Exception exception) when (exception is IOException)
        {
            return false;
        }
    }
}
