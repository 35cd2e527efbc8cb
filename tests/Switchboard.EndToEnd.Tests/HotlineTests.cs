using System.Text;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The main job: the hotline, as callers of other makes meet it. The texts stand here once more on purpose.</summary>
public sealed class HotlineTests
{
    private const int Limit = 120_000;
    private const string Greeting = "欢迎致电10086,请输入1xxx,0转人工服务.";
    private const string Operator = "通过可能会被录音.balabala一大推";
    private const string Again = "请重新输入.";

    [Fact(Timeout = Limit)]
    public async Task A_thousand_callers_at_once_are_answered_although_half_of_them_say_nothing()
    {
        Installed.Require("python3");
        using SwitchboardTool hotline = await SwitchboardTool.ServeAsync("hotline");
        using ChildProgram clients = StartClient("thousand_callers.py", "127.0.0.1", $"{hotline.Port}");
        (int exitCode, string output, string error) = await clients.WaitForEndAsync();
        Assert.Equal("", error);
        Assert.Equal("500 served while 500 said nothing\n", output);
        Assert.Equal(0, exitCode);
        (exitCode, _, error) = await hotline.EndAsync();
        Assert.Equal(0, exitCode);
        Assert.DoesNotContain("error", error);
    }

    [Fact(Timeout = Limit)]
    public async Task Netcat_talks_to_the_hotline_line_by_line()
    {
        Installed.Require("nc");
        using SwitchboardTool hotline = await SwitchboardTool.ServeAsync("hotline");
        using ChildProgram netcat = ChildProgram.Start("nc", "127.0.0.1", $"{hotline.Port}");
        await netcat.WaitForOutputAsync(output => output == Greeting);
        netcat.Write("0\n");
        await netcat.WaitForOutputAsync(output => output == Greeting + Operator);
        netcat.Write("1234\n");
        await netcat.WaitForOutputAsync(output => output == Greeting + Operator + Again);
        netcat.Write("exit\n");
        netcat.CloseInput();
        (int exitCode, string output, _) = await netcat.WaitForEndAsync();
        Assert.Equal(0, exitCode);
        Assert.Equal(Greeting + Operator + Again, output);
    }

    [Fact(Timeout = Limit)]
    public async Task Netcat_talks_to_the_hotline_over_a_unix_socket()
    {
        Installed.Require("nc");
        using var folder = new TemporaryFolder();
        using SwitchboardTool hotline = await SwitchboardTool.ServeAsync("hotline", "--bind", $"unix:{folder["hotline"]}");
        using ChildProgram netcat = ChildProgram.Start("nc", "-U", folder["hotline"]);
        netcat.Write("0\nexit\n");
        await netcat.WaitForOutputAsync(output => output == Greeting + Operator);
    }

    [Theory(Timeout = Limit)]
    [InlineData("0", Operator)]
    [InlineData("0\n", Operator)]
    [InlineData("0\r\n", Operator)]
    [InlineData("1", Again)]
    [InlineData("", "")]
    [InlineData("\n", Again)]
    [InlineData("\r\n", Again)]
    [InlineData("\n\n", Again + Again)]
    [InlineData("0\n0", Operator + Operator)]
    [InlineData("0\n\n1\r\n0\n", Operator + Again + Again + Operator)]
    [InlineData(" 0", Again)]
    [InlineData("退出", Again)]
    [InlineData("exit", "")]
    [InlineData("exit\r\n", "")]
    [InlineData("1\nexit\n0\n", Again)]
    [InlineData("EXIT\n", Again)]
    public async Task What_one_read_brings_is_answered_line_by_line(string said, string answer)
    {
        using SwitchboardTool hotline = await SwitchboardTool.ServeAsync("hotline");
        using Caller caller = await hotline.CallAsync();
        await caller.ExpectAsync(Greeting);
        await caller.SendAsync(said);
        caller.EndOutput();
        Assert.Equal(answer, Encoding.UTF8.GetString(await caller.ReceiveToEndAsync()));
    }

    [Fact(Timeout = Limit)]
    public async Task Exit_ends_the_call_while_the_caller_still_listens()
    {
        using SwitchboardTool hotline = await SwitchboardTool.ServeAsync("hotline");
        using Caller caller = await hotline.CallAsync();
        await caller.ExpectAsync(Greeting);
        await caller.SendAsync("exit");
        Assert.Empty(await caller.ReceiveToEndAsync());
    }

    [Fact(Timeout = Limit)]
    public async Task Callers_killed_in_the_middle_of_their_calls_give_their_places_free()
    {
        Installed.Require("python3");
        const int Calls = 20;
        using SwitchboardTool hotline = await SwitchboardTool.ServeAsync("hotline", "--limit", $"{Calls}", "--log-level", "debug");
        using ChildProgram clients = StartClient("hold.py", "127.0.0.1", $"{hotline.Port}", $"{Calls}");
        await clients.WaitForLineAsync("holding");
        using Caller waiting = await hotline.CallAsync();
        Assert.False(waiting.Socket.Poll(TimeSpan.FromMilliseconds(100), System.Net.Sockets.SelectMode.SelectRead), "The premise: all places are taken.");
        SwitchboardTool.Send("KILL", clients.Id);
        Assert.Equal(128 + 9, (await clients.WaitForEndAsync()).ExitCode);
        await waiting.ExpectAsync(Greeting);
        for (int i = 1; i < Calls; i++)
        {
            // Each stays, so that all places are needed.
            Caller next = await hotline.CallAsync();
            _callers.Add(next);
            await next.ExpectAsync(Greeting);
        }
        (int exitCode, _, string error) = await hotline.EndAsync();
        _callers.ForEach(caller => caller.Dispose());
        Assert.Equal(0, exitCode);
        Assert.Equal(Calls, error.Split('\n').Count(line => line.Contains("ended, PeerClosed", StringComparison.Ordinal) || line.Contains("ended, Reset", StringComparison.Ordinal)));
        Assert.DoesNotContain(" error ", error);
    }

    [Fact(Timeout = Limit)]
    public async Task Ctrl_c_ends_it_while_callers_are_connected_and_nothing_is_left()
    {
        Installed.Require("python3");
        using SwitchboardTool hotline = await SwitchboardTool.ServeAsync("hotline", "--grace", "1000");
        using ChildProgram clients = StartClient("hold.py", "127.0.0.1", $"{hotline.Port}", "50");
        await clients.WaitForLineAsync("holding");
        (int exitCode, _, string error) = await hotline.EndAsync();
        Assert.Equal(0, exitCode);
        Assert.Contains("50 calls run", error);
        clients.CloseInput();
        Assert.Equal(0, (await clients.WaitForEndAsync()).ExitCode);
        // The port can be had again at once, although the old connections wait out their time.
        using SwitchboardTool again = await SwitchboardTool.ServeAsync("hotline", "--bind", hotline.Address);
        using Caller caller = await again.CallAsync();
        await caller.ExpectAsync(Greeting);
    }

    [Theory(Timeout = Limit)]
    [InlineData("Hotline", "127.0.0.1:0")]
    [InlineData("Lesson", "hotline-threads", "0")]
    public async Task The_samples_serve_the_hotline_too(string program, params string[] arguments)
    {
        using ChildProgram sample = ChildProgram.StartAssembly(program, arguments);
        string line = await sample.WaitForLineAsync("listening on ");
        using Caller silent = await Caller.ConnectAsync(System.Net.IPEndPoint.Parse(line["listening on ".Length..]));
        await silent.ExpectAsync(Greeting);
        using Caller caller = await Caller.ConnectAsync(System.Net.IPEndPoint.Parse(line["listening on ".Length..]));
        await caller.ExpectAsync(Greeting);
        await caller.SendAsync("0");
        await caller.ExpectAsync(Operator);
        await caller.SendAsync("exit");
        Assert.Empty(await caller.ReceiveToEndAsync());
    }

    private readonly List<Caller> _callers = [];

    private static ChildProgram StartClient(string name, params string[] arguments) =>
        ChildProgram.Start("python3", [Path.Combine(AppContext.BaseDirectory, "Clients", name), .. arguments]);
}
