namespace Switchboard.EndToEnd.Tests;

/// <summary>The gateway that is built into the tool.</summary>
public sealed class ToolGatewayTests : IDisposable
{
    private const int Limit = 60_000;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory(Timeout = Limit)]
    [InlineData("threads")]
    [InlineData("sequential")]
    [InlineData("eventloop")]
    [InlineData("tasks")]
    public async Task A_caller_talks_through_it_to_a_server_in_clear_or_over_tls(string model)
    {
        (string certificate, string key) = OpenSsl.Make(_folder, "server", "localhost");
        using SwitchboardTool clear = await SwitchboardTool.ServeAsync("echo", "--bind", $"unix:{_folder["echo"]}", "--control", "none");
        using SwitchboardTool secret = await SwitchboardTool.ServeAsync("echo", "--tls-cert", certificate, "--tls-key", key, "--control", "none");
        foreach (string[] to in (string[][])[["--to", clear.Address], ["--to", $"tls:localhost:{secret.Port}", "--to-ca", certificate]])
        {
            using SwitchboardTool gateway = await SwitchboardTool.ServeAsync("gateway", [.. to, "--model", model, "--control", "none"]);
            using (Caller caller = await gateway.CallAsync())
            {
                await caller.SendAsync("hello");
                await caller.ExpectAsync("hello");
                await caller.SendAsync("last words");
                caller.EndOutput();
                Assert.Equal("last words", System.Text.Encoding.UTF8.GetString(await caller.ReceiveToEndAsync()));
            }
            Assert.Equal(0, (await gateway.EndAsync("TERM")).ExitCode);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_server_whose_certificate_is_not_trusted_gets_no_byte()
    {
        (string certificate, string key) = OpenSsl.Make(_folder, "server", "localhost");
        (string stranger, _) = OpenSsl.Make(_folder, "stranger", "localhost");
        using SwitchboardTool secret = await SwitchboardTool.ServeAsync("echo", "--tls-cert", certificate, "--tls-key", key, "--control", "none");
        using SwitchboardTool gateway = await SwitchboardTool.ServeAsync("gateway", "--to", $"tls:localhost:{secret.Port}", "--to-ca", stranger, "--control", "none");
        using Caller caller = await gateway.CallAsync();
        Assert.Empty(await caller.ReceiveToEndAsync());
        Assert.Contains("GatewayHandler", (await gateway.EndAsync()).Error);
    }

    [Fact(Timeout = Limit)]
    public async Task Each_gateway_of_a_configuration_file_has_its_own_target()
    {
        using SwitchboardTool echo = await SwitchboardTool.ServeAsync("echo", "--control", "none");
        using SwitchboardTool hotline = await SwitchboardTool.ServeAsync("hotline", "--control", "none");
        File.WriteAllText(_folder["config.json"], $$"""
            { "handler": "gateway", "control": "none", "endpoints": [
                { "bind": "unix:{{_folder["first"]}}", "to": "{{echo.Address}}" },
                { "bind": "unix:{{_folder["second"]}}", "to": "{{hotline.Address}}" }] }
            """);
        using SwitchboardTool gateway = SwitchboardTool.Start("serve", "--config", _folder["config.json"]);
        await gateway.Program.WaitForLineAsync($"listening on unix:{_folder["second"]}");
        using Caller first = await Caller.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(_folder["first"]));
        await first.SendAsync("hello");
        await first.ExpectAsync("hello");
        using Caller second = await Caller.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(_folder["second"]));
        await second.ExpectAsync("欢迎致电10086");
    }
}
