namespace Switchboard.EndToEnd.Tests;

public sealed class ToolWordsTests
{
    private const int Limit = 60_000;

    [Theory(Timeout = Limit)]
    [InlineData("'parrot' is not a sample (echo, hotline, miniredis)", "serve", "parrot")]
    [InlineData("there is no assembly /none/app.dll", "serve", "/none/app.dll:Chat")]
    [InlineData("'8009' is not an address", "serve", "echo", "--bind", "8009")]
    [InlineData("'127.0.0.1:66000' is not an address", "serve", "echo", "--bind", "127.0.0.1:66000")]
    [InlineData("'host.invalid' in 'host.invalid:80' is not an address of this machine", "serve", "echo", "--bind", "host.invalid:80")]
    [InlineData("has no path", "serve", "echo", "--bind", "unix:")]
    [InlineData("192.0.2.1:8009", "serve", "echo", "--bind", "192.0.2.1:8009")]
    [InlineData("/none/echo.sock", "serve", "echo", "--bind", "unix:/none/echo.sock")]
    [InlineData("/etc/hostname is not a .NET assembly", "serve", "/etc/hostname")]
    public async Task What_cannot_be_done_is_one_line_on_standard_error_and_exit_code_1(string expected, params string[] arguments)
    {
        (int exitCode, string output, string error) = await SwitchboardTool.RunAsync(arguments);
        Assert.Equal(1, exitCode);
        Assert.Empty(output);
        Assert.Contains(expected, error);
        Assert.EndsWith(".\n", error);
        Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory(Timeout = Limit)]
    [InlineData("--model 'carrier-pigeon' is none of sequential, threads, eventloop, tasks.", "serve", "echo", "--model", "carrier-pigeon")]
    [InlineData("--backlog '-1' is not a whole number from 0 to 2147483647.", "serve", "echo", "--backlog", "-1")]
    [InlineData("--limit '0' is not a whole number from 1 to 2147483647.", "serve", "echo", "--limit", "0")]
    [InlineData("--grace 'long' is not a time from 0 to 1000000 seconds: write 500ms, 30s, 5m, 2h or a number of seconds.", "serve", "echo", "--grace", "long")]
    [InlineData("--idle '-1' is not a time from 0 to 1000000 seconds: write 500ms, 30s, 5m, 2h or a number of seconds.", "serve", "echo", "--idle", "-1")]
    [InlineData("--log-level '2' is none of trace, debug, information, warning, error, critical, none.", "serve", "echo", "--log-level", "2")]
    [InlineData("--loops '-1' is not a whole number from 0 to 2147483647.", "serve", "echo", "--model", "eventloop", "--loops", "-1")]
    [InlineData("--unix-mode '0800' is not an access mode in octal digits from 000 to 777.", "serve", "echo", "--unix-mode", "0800")]
    [InlineData("--unix-mode '1777' is not an access mode in octal digits from 000 to 777.", "serve", "echo", "--unix-mode", "1777")]
    [InlineData("--max-connections '0' is not a whole number from 1 to 2147483647.", "serve", "echo", "--max-connections", "0")]
    [InlineData("--limit is for --model threads, not for --model sequential.", "serve", "echo", "--model", "sequential", "--limit", "5")]
    [InlineData("--limit is for --model threads, not for --model eventloop.", "serve", "echo", "-m", "eventloop", "--limit", "5")]
    [InlineData("--limit is for --model threads, not for --model tasks.", "serve", "echo", "--model", "tasks", "--limit", "5")]
    [InlineData("--loops is for --model eventloop, not for --model tasks.", "serve", "echo", "--model", "tasks", "--loops", "2")]
    [InlineData("--when-full is for --model threads or --max-connections, not for --model sequential.", "serve", "echo", "--model", "sequential", "--when-full", "wait")]
    [InlineData("--loops is for --model eventloop, not for --model threads.", "serve", "echo", "--loops", "2")]
    [InlineData("--loops is for --model eventloop, not for --model sequential.", "serve", "echo", "--loops", "2", "--model", "sequential")]
    [InlineData("Unrecognized command or argument '--frobnicate'.", "serve", "echo", "--frobnicate")]
    [InlineData("Required argument 'what' missing for command: 'serve'.", "serve")]
    public async Task A_word_that_is_wrong_is_said_with_where_to_read_on_and_exit_code_2(string expected, params string[] arguments)
    {
        (int exitCode, string output, string error) = await SwitchboardTool.RunAsync(arguments);
        Assert.Equal($"{expected}\nSee: switchboard serve --help\n", error);
        Assert.Empty(output);
        Assert.Equal(2, exitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task Without_a_command_it_says_where_to_read_on()
    {
        (int exitCode, _, string error) = await SwitchboardTool.RunAsync();
        Assert.Equal(2, exitCode);
        Assert.EndsWith("See: switchboard --help\n", error);
    }

    [Fact(Timeout = Limit)]
    public async Task Help_names_each_word_with_its_default()
    {
        (int exitCode, string output, string error) = await SwitchboardTool.RunAsync("serve", "--help");
        Assert.Equal(0, exitCode);
        Assert.Empty(error);
        foreach ((string word, string standard) in (ReadOnlySpan<(string, string)>)[("--bind", "127.0.0.1:8009"), ("--model", "threads"), ("--limit", "2048"), ("--when-full", "wait"), ("--loops", "1"),
            ("--backlog", "1024"), ("--grace", "30s"), ("--idle", "5m"), ("--log-level", "information")])
        {
            string line = Assert.Single(output.Split('\n'), line => line.Contains($"{word} <", StringComparison.Ordinal));
            Assert.Contains($"[default: {standard}]", line);
        }
        Assert.Contains("--reuse-port", output);
        Assert.Contains("echo, hotline, miniredis", output);
    }
}
