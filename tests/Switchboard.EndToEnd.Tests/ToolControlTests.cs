using System.Diagnostics;
using System.Text.Json;

namespace Switchboard.EndToEnd.Tests;

[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class ToolControlTests
{
    private const int Limit = 60_000;

    [Fact(Timeout = Limit)]
    public async Task Status_tells_of_endpoints_and_connections_and_a_connection_can_be_ended()
    {
        using var folder = new TemporaryFolder();
        string control = folder["control"];
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--bind", "127.0.0.1:0", "--bind", $"unix:{folder["echo"]}", "--bind", "udp:127.0.0.1:0", "--model", "eventloop", "--idle", "7m", "--control", control);
        Assert.Equal("600", Convert.ToString((int)File.GetUnixFileMode(control), 8));
        using Caller caller = await tool.CallAsync();
        await caller.SendAsync("hello");
        await caller.ExpectAsync("hello");
        using JsonDocument status = JsonDocument.Parse(await AskAsync("status", "--json", "--connections", "--control", control));
        Assert.Equal(tool.Program.Id, status.RootElement.GetProperty("pid").GetInt32());
        JsonElement[] endpoints = [.. status.RootElement.GetProperty("endpoints").EnumerateArray()];
        Assert.Equal(3, endpoints.Length);
        Assert.Equal($"127.0.0.1:{tool.Port}", endpoints[0].GetProperty("address").GetString());
        Assert.Equal("eventloop", endpoints[0].GetProperty("model").GetString());
        Assert.Equal("7m", endpoints[0].GetProperty("settings").GetProperty("idle").GetString());
        Assert.Equal(1, endpoints[0].GetProperty("open").GetInt32());
        Assert.Equal(JsonValueKind.Number, endpoints[0].GetProperty("delay").ValueKind);
        Assert.StartsWith("udp:127.0.0.1:", endpoints[2].GetProperty("address").GetString());
        JsonElement connection = Assert.Single(status.RootElement.GetProperty("connections").EnumerateArray());
        Assert.Equal(5, connection.GetProperty("received").GetInt64());
        Assert.Equal($"{caller.Socket.LocalEndPoint}", connection.GetProperty("peer").GetString());
        Assert.Contains("eventloop", await AskAsync("status", "--control", control));

        string id = connection.GetProperty("id").ToString();
        Assert.Equal($"Connection {id} was ended.\n", await AskAsync("end", id, "--control", control));
        (int exitCode, _, string error) = await SwitchboardTool.RunAsync("end", "999999", "--control", control);
        Assert.Equal(1, exitCode);
        Assert.Contains("There is no open connection 999999.", error);

        await AskAsync("stop", "--control", control);
        Assert.Equal(0, (await tool.Program.WaitForEndAsync()).ExitCode);
        Assert.False(File.Exists(control));
    }

    [Fact(Timeout = Limit)]
    public async Task A_live_control_socket_is_an_error_and_that_of_a_killed_program_is_replaced()
    {
        using var folder = new TemporaryFolder();
        string control = folder["control"];
        using (SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--control", control))
        {
            (int exitCode, _, string error) = await SwitchboardTool.RunAsync("serve", "echo", "--bind", "127.0.0.1:0", "--control", control);
            Assert.Equal(1, exitCode);
            Assert.Contains($"The control socket can't be at {control}", error);
            await tool.EndAsync("KILL");
        }
        Assert.True(File.Exists(control), "The premise: a killed program leaves it.");
        (int dead, _, string nobody) = await SwitchboardTool.RunAsync("status", "--control", control);
        Assert.Equal(1, dead);
        Assert.Contains($"Nobody answers on the control socket {control}", nobody);
        using SwitchboardTool next = await SwitchboardTool.ServeAsync("echo", "--control", control);
        Assert.Contains("process", await AskAsync("status", "--control", control));
    }

    [Fact(Timeout = Limit)]
    public async Task A_stranger_is_turned_away_and_logged()
    {
        Assert.SkipUnless(Environment.UserName == "root", "Only root can become a stranger.");
        Installed.Require("setpriv");
        Installed.Require("python3");
        using var folder = new TemporaryFolder();
        string control = folder["control"];
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--control", control);
        // Opened to all on purpose: the look at the peer is the second door.
        File.SetUnixFileMode(control, (UnixFileMode)0x1FF);
        File.SetUnixFileMode(Path.GetDirectoryName(control)!, (UnixFileMode)0x1FF);
        (int exitCode, string output, string error) = await RunAsync("setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/env", "python3", "-c",
            $"import socket; s=socket.socket(socket.AF_UNIX); s.connect('{control}'); s.sendall(b'{{\"command\":\"stop\"}}\\n'); print(s.recv(100))");
        Assert.True(exitCode == 0 ? output == "b''\n" : error.Contains("reset", StringComparison.OrdinalIgnoreCase) || error.Contains("BrokenPipe", StringComparison.Ordinal), output + error);
        Assert.Contains("process", await AskAsync("status", "--control", control));
        Assert.Contains("a stranger was refused: user 65534", (await tool.EndAsync()).Error);
    }

    [Fact(Timeout = Limit)]
    public async Task Garbage_and_silence_on_the_control_socket_hold_nobody_up()
    {
        using var folder = new TemporaryFolder();
        string control = folder["control"];
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--control", control);
        var where = new System.Net.Sockets.UnixDomainSocketEndPoint(control);
        List<Caller> silent = [];
        for (int i = 0; i < 20; i++)
        {
            silent.Add(await Caller.ConnectAsync(where));
        }
        using (Caller garbage = await Caller.ConnectAsync(where))
        {
            await garbage.SendAsync("\u0001\u0002{{{\n");
            Assert.Contains("This is not JSON", System.Text.Encoding.UTF8.GetString(await garbage.ReceiveToEndAsync()));
        }
        using (Caller flood = await Caller.ConnectAsync(where))
        {
            await flood.SendAsync(new string('x', 70_000));
            Assert.Contains("ConnectionLimits.Message", System.Text.Encoding.UTF8.GetString(await flood.ReceiveToEndAsync()));
        }
        using (Caller wrong = await Caller.ConnectAsync(where))
        {
            await wrong.SendAsync("{\"command\":\"dance\"}\n");
            await wrong.ExpectAsync("{\"error\":\"There is no command 'dance'. There are: status, stop, wait, end.\"}\n");
        }
        Assert.Contains("process", await AskAsync("status", "--control", control));
        silent.ForEach(static caller => caller.Dispose());
        Assert.Equal(0, (await tool.EndAsync()).ExitCode);
    }

    private static async Task<string> AskAsync(params string[] words)
    {
        (int exitCode, string output, string error) = await SwitchboardTool.RunAsync(words);
        Assert.Equal("", error);
        Assert.Equal(0, exitCode);
        return output;
    }

    private static async Task<(int ExitCode, string Output, string Error)> RunAsync(string program, params string[] words)
    {
        using var child = Process.Start(new ProcessStartInfo(program, words) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> error = child.StandardError.ReadToEndAsync();
        string output = await child.StandardOutput.ReadToEndAsync();
        await child.WaitForExitAsync();
        return (child.ExitCode, output, await error);
    }
}
