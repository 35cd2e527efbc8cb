using System.Text.Json;

namespace Switchboard.EndToEnd.Tests;

public sealed class ToolConfigurationTests
{
    private const int Limit = 60_000;

    [Fact(Timeout = Limit)]
    public async Task Each_endpoint_has_its_own_settings_over_those_for_all_and_the_command_line_wins()
    {
        (int exitCode, string output, string error) = await CheckAsync("""
            {
                // Comments are allowed.
                "grace": "5s", "idle": "1m", "write-stall": 20, "handler": "echo",
                "endpoints": [
                    { "bind": "127.0.0.1:0", "model": "eventloop", "loops": 2 },
                    { "bind": "unix:@two", "handler": "hotline", "idle": "2m" },
                ]
            }
            """, "--write-stall", "9s");
        Assert.Equal("", error);
        Assert.Equal(0, exitCode);
        using JsonDocument effective = JsonDocument.Parse(output);
        Assert.Equal("5s", effective.RootElement.GetProperty("grace").GetString());
        JsonElement[] endpoints = [.. effective.RootElement.GetProperty("endpoints").EnumerateArray()];
        Assert.Equal(["echo", "hotline"], endpoints.Select(static endpoint => endpoint.GetProperty("handler").GetString()));
        Assert.Equal(["1m", "2m"], endpoints.Select(static endpoint => endpoint.GetProperty("idle").GetString()));
        Assert.Equal(["9s", "9s"], endpoints.Select(static endpoint => endpoint.GetProperty("write-stall").GetString()));
        Assert.Equal("2", endpoints[0].GetProperty("loops").GetString());
        Assert.False(endpoints[1].TryGetProperty("loops", out _));
    }

    [Theory(Timeout = Limit)]
    [InlineData("{", "can't be read")]
    [InlineData("[]", "the file must hold an object")]
    [InlineData("{\"idel\":5}", "there is no key idel. Allowed are handler, endpoints, model")]
    [InlineData("{\"idle\":\"long\"}", "idle 'long' is not a time")]
    [InlineData("{\"max-message\":\"2GiB\"}", "max-message '2GiB' is not a size")]
    [InlineData("{\"idle\":1,\"idle\":2}", "can't be read")]
    [InlineData("{\"idle\":null}", "idle must be a text, a number, true or false")]
    [InlineData("{\"idle\":[1]}", "idle must be a text, a number, true or false.")]
    [InlineData("{\"tls-cert\":[1,null]}", "tls-cert must be a text, a number, true or false, or a list of texts.")]
    [InlineData("{\"tls-cert\":[]}", "tls-cert must be a text, a number, true or false, or a list of texts.")]
    [InlineData("{\"handler\":\"echo\",\"endpoints\":[{\"bind\":\"udp:127.0.0.1:0\",\"idle\":5}]}", "idle is not for udp:127.0.0.1:0: it is for TCP and Unix sockets.")]
    [InlineData("{\"endpoints\":[{}]}", "endpoints[0] has no bind")]
    [InlineData("{\"endpoints\":[{\"bind\":\"nowhere\"}]}", "endpoints[0].bind: 'nowhere' is not an address")]
    [InlineData("{\"endpoints\":[{\"bind\":\"127.0.0.1:0\",\"grace\":5}]}", "there is no key endpoints[0].grace")]
    [InlineData("{\"endpoints\":[{\"bind\":\"127.0.0.1:0\"}]}", "does not say what is served at 127.0.0.1:0")]
    [InlineData("{\"handler\":\"echo\",\"endpoints\":[{\"bind\":\"127.0.0.1:0\",\"loops\":2}]}", "loops is for model eventloop, not for model threads")]
    public async Task What_is_wrong_in_the_file_is_said_with_its_key_and_exit_code_2(string text, string expected)
    {
        (int exitCode, string output, string error) = await CheckAsync(text);
        Assert.Equal(2, exitCode);
        Assert.Empty(output);
        Assert.Contains("config.json", error);
        Assert.Contains(expected, error);
        Assert.EndsWith("See: switchboard serve --help\n", error);
    }

    [Fact(Timeout = Limit)]
    public async Task The_endpoints_of_a_file_are_served()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["config.json"], $$"""{"handler":"echo","control":"none","endpoints":[{"bind":"unix:{{folder["one"]}}"},{"bind":"unix:{{folder["two"]}}","model":"tasks"}]}""");
        using SwitchboardTool tool = SwitchboardTool.Start("serve", "--config", folder["config.json"]);
        await tool.Program.WaitForLineAsync($"listening on unix:{folder["two"]}");
        foreach (string name in (string[])["one", "two"])
        {
            using Caller caller = await Caller.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(folder[name]));
            await caller.SendAsync("hello");
            await caller.ExpectAsync("hello");
        }
        Assert.Equal(0, (await tool.EndAsync("TERM")).ExitCode);
        Assert.False(File.Exists(folder["one"]));
    }

    private static async Task<(int ExitCode, string Output, string Error)> CheckAsync(string text, params string[] words)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["config.json"], text);
        return await SwitchboardTool.RunAsync(["serve", "--config", folder["config.json"], "--check-config", .. words]);
    }
}
