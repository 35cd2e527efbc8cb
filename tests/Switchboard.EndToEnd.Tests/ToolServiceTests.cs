using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The tool as a service: what it tells its manager, sockets that are passed to it, and reading files anew.</summary>
public sealed class ToolServiceTests : IDisposable
{
    private const int Limit = 60_000;

    private readonly TemporaryFolder _folder = new();
    private readonly Manager _manager;

    public ToolServiceTests() => _manager = new Manager(_folder);

    public void Dispose()
    {
        _manager.Dispose();
        _folder.Dispose();
    }

    [Fact(Timeout = Limit)]
    public async Task The_manager_is_told_that_it_is_ready_alive_and_stops()
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeUnderAsync([$"NOTIFY_SOCKET={_manager.Path}", "WATCHDOG_USEC=100000"], "echo", "--model", "eventloop");
        Assert.Equal("READY=1", await _manager.ReceiveAsync());
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal("WATCHDOG=1", await _manager.ReceiveAsync());
        }
        using Caller caller = await tool.CallAsync();
        await caller.SendAsync("1");
        await caller.ExpectAsync("1");
        tool.Signal("TERM");
        Assert.Equal("STOPPING=1", await _manager.ReceiveNewsAsync());
        Assert.Equal(0, (await tool.Program.WaitForEndAsync()).ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task A_hang_up_has_certificates_read_anew_and_a_broken_file_leaves_the_old_one()
    {
        (string certificate, string key) = OpenSsl.Make(_folder, "server", "one.example");
        File.WriteAllText(_folder["config.json"], $$"""{"handler":"echo","control":"none","endpoints":[{"bind":"127.0.0.1:0","tls-cert":"{{certificate}}","tls-key":"{{key}}"}]}""");
        using SwitchboardTool tool = await SwitchboardTool.ListeningAsync(SwitchboardTool.StartUnder([$"NOTIFY_SOCKET={_manager.Path}"], "serve", "--config", _folder["config.json"]).Program);
        Assert.Equal("READY=1", await _manager.ReceiveAsync());
        string first = OpenSsl.Serial(certificate);
        Assert.Equal(first, await OpenSsl.ShownAsync(_folder, tool.Address, "one.example"));

        OpenSsl.Make(_folder, "server", "one.example");
        await ReloadAsync(tool);
        string second = OpenSsl.Serial(certificate);
        Assert.NotEqual(first, second);
        Assert.Equal(second, await OpenSsl.ShownAsync(_folder, tool.Address, "one.example"));

        File.WriteAllText(certificate, "nonsense");
        File.AppendAllText(_folder["config.json"], "\n");
        await ReloadAsync(tool);
        Assert.Equal(second, await OpenSsl.ShownAsync(_folder, tool.Address, "one.example"));
        (int exitCode, _, string error) = await tool.EndAsync("TERM");
        Assert.Equal(0, exitCode);
        Assert.Contains("info SIGHUP: 1 certificates were read anew", error);
        Assert.Matches($"error SIGHUP: The certificate of {certificate} and {key} can't be read: .* The old one stays: CN=one.example, valid until ", error);
        Assert.Contains($"warning SIGHUP: {_folder["config.json"]} has changed since the start.", error);
    }

    [Fact(Timeout = Limit)]
    public async Task A_hang_up_without_certificates_ends_nothing()
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeUnderAsync([$"NOTIFY_SOCKET={_manager.Path}"], "echo");
        Assert.Equal("READY=1", await _manager.ReceiveAsync());
        await ReloadAsync(tool);
        using Caller caller = await tool.CallAsync();
        await caller.SendAsync("1");
        await caller.ExpectAsync("1");
        Assert.Contains("SIGHUP: there is no certificate to read anew.", (await tool.EndAsync()).Error);
    }

    [Theory(Timeout = Limit)]
    [InlineData("systemd:echo", "eventloop")]
    [InlineData("systemd:0", "threads")]
    [InlineData("fd:3", "tasks")]
    public async Task A_socket_that_is_passed_on_is_served(string bind, string model)
    {
        Installed.Require("python3");
        string words = string.Join(", ", SwitchboardTool.Command.Concat(["serve", "echo", "--bind", bind, "--model", model]).Select(static word => $"'{word}'"));
        using SwitchboardTool tool = await SwitchboardTool.ListeningAsync(ChildProgram.Start("python3", "-c", $"""
            import os, socket
            s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()
            if s.fileno() != 3: os.dup2(s.fileno(), 3)
            os.set_inheritable(3, True)
            os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES='echo', LISTEN_PID=str(os.getpid()))
            os.execvp('env', ['env', {words}])
            """));
        using Caller caller = await tool.CallAsync();
        await caller.SendAsync("passed");
        await caller.ExpectAsync("passed");
        Assert.Equal(0, (await tool.EndAsync("TERM")).ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task What_only_a_start_passes_on_is_not_asked_for_by_a_check()
    {
        (int exitCode, string output, string error) = await SwitchboardTool.RunAsync("serve", "echo", "--bind", "systemd:echo", "--bind", "fd:77", "--check-config");
        Assert.Equal("", error);
        Assert.Equal(0, exitCode);
        Assert.Contains("systemd:echo", output);
    }

    private async Task ReloadAsync(SwitchboardTool tool)
    {
        tool.Signal("HUP");
        Assert.StartsWith("RELOADING=1\nMONOTONIC_USEC=", await _manager.ReceiveAsync());
        Assert.Equal("READY=1", await _manager.ReceiveAsync());
    }
}
