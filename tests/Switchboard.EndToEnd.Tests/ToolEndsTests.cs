using System.Net.Sockets;

namespace Switchboard.EndToEnd.Tests;

public sealed class ToolEndsTests
{
    private const int Limit = 60_000;

    /// <summary>Answers once, then looks at nothing any more.</summary>
    private const string StubbornHandler = """
        public sealed class Stubborn : Switchboard.Servers.RequestHandler
        {
            protected override async Task HandleAsync(CancellationToken stop)
            {
                await Connection.WriteAsync("here"u8.ToArray());
                await Task.Delay(Timeout.Infinite, CancellationToken.None);
            }
        }
        """;

    [Theory(Timeout = Limit)]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_signal_ends_it_in_good_order_while_callers_are_connected(string signal)
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--grace", "1000");
        using Caller first = await tool.CallAsync();
        using Caller second = await tool.CallAsync();
        await first.SendAsync("1");
        await first.ExpectAsync("1");
        int port = tool.Port;
        int id = tool.Program.Id;
        (int exitCode, _, string error) = await tool.EndAsync(signal);
        Assert.Equal(0, exitCode);
        Assert.Contains("stops", error);
        Assert.Empty(await first.ReceiveToEndAsync());
        Assert.False(Directory.Exists($"/proc/{id}"));
        Assert.DoesNotContain(Listeners(), line => line == port);
    }

    [Fact(Timeout = Limit)]
    public async Task The_premise_that_a_listener_would_be_seen()
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo");
        Assert.Contains(tool.Port, Listeners());
    }

    [Fact(Timeout = Limit)]
    public async Task What_was_sent_before_the_signal_still_goes_back()
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo");
        using Caller caller = await tool.CallAsync();
        await caller.SendAsync("hello");
        await caller.ExpectAsync("hello");
        tool.Signal("TERM");
        Assert.Empty(await caller.ReceiveToEndAsync());
        Assert.Equal(0, (await tool.Program.WaitForEndAsync()).ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task A_call_that_goes_on_is_ended_after_the_grace_and_counted()
    {
        using var folder = new TemporaryFolder();
        using SwitchboardTool tool = await ServeStubbornAsync(folder, "--grace", "0.2");
        using Caller caller = await tool.CallAsync();
        await caller.ExpectAsync("here");
        (int exitCode, _, string error) = await tool.EndAsync();
        Assert.Equal(0, exitCode);
        Assert.Contains("warning", error);
        Assert.Contains("ends 1 calls that still ran after the grace of 00:00:00.2", error);
    }

    [Fact(Timeout = Limit)]
    public async Task A_second_signal_ends_it_at_once()
    {
        using var folder = new TemporaryFolder();
        string path = folder["stubborn.sock"];
        using SwitchboardTool tool = await ServeStubbornAsync(folder, "--grace", "1000", "--bind", $"unix:{path}");
        using Caller caller = await tool.CallAsync();
        await caller.ExpectAsync("here");
        tool.Signal("INT");
        await WaitUntilRefusedAsync(tool);
        Assert.True(Directory.Exists($"/proc/{tool.Program.Id}"), "The premise: one signal lets the call go on.");
        (int exitCode, _, _) = await tool.EndAsync("INT");
        Assert.Equal(128 + 2, exitCode);
        Assert.False(File.Exists(path));
    }

    [Fact(Timeout = Limit)]
    public async Task It_has_no_children()
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo");
        using Caller caller = await tool.CallAsync();
        await caller.SendAsync("1");
        await caller.ExpectAsync("1");
        foreach (string thread in Directory.EnumerateDirectories($"/proc/{tool.Program.Id}/task"))
        {
            Assert.Empty(File.ReadAllText(Path.Combine(thread, "children")));
        }
    }

    private static Task<SwitchboardTool> ServeStubbornAsync(TemporaryFolder folder, params string[] arguments)
    {
        string assembly = folder["Stubborn.dll"];
        Assert.Empty(Compiler.Compile(assembly, StubbornHandler));
        return SwitchboardTool.ServeAsync(assembly, arguments);
    }

    /// <summary>The server has taken the signal when it takes no more callers.</summary>
    private static async Task WaitUntilRefusedAsync(SwitchboardTool tool)
    {
        while (true)
        {
            try
            {
                (await tool.CallAsync()).Dispose();
            }
            catch (SocketException exception) when (exception.SocketErrorCode != SocketError.WouldBlock)
            {
                // A full backlog of a Unix socket, which answers otherwise, is no refusal.
                return;
            }
            catch (SocketException)
            {
            }
        }
    }

    /// <summary>The ports of this machine's listening IPv4 sockets, as <c>proc(5)</c> tells them.</summary>
    private static IEnumerable<int> Listeners() =>
        File.ReadLines("/proc/net/tcp").Skip(1)
            .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(static columns => columns[3] == "0A")
            .Select(static columns => Convert.ToInt32(columns[1].Split(':')[1], 16));
}
