namespace Switchboard.EndToEnd.Tests;

public sealed class ToolWordsTests
{
    private const int Limit = 60_000;

    [Theory(Timeout = Limit)]
    [InlineData(1, "192.0.2.1:8009", "serve", "echo", "--bind", "192.0.2.1:8009")]
    [InlineData(1, "/none/echo.sock", "serve", "echo", "--bind", "unix:/none/echo.sock")]
    [InlineData(1, "'systemd:web' was asked for, and no sockets were passed to this process", "serve", "echo", "--bind", "systemd:web")]
    [InlineData(1, "Nobody answers on the control socket /none/control", "status", "--control", "/none/control")]
    [InlineData(2, "'parrot' is not a sample (echo, hotline, miniredis, gateway)", "serve", "parrot")]
    [InlineData(2, "there is no assembly /none/app.dll", "serve", "/none/app.dll:Chat")]
    [InlineData(2, "/etc/hostname is not a .NET assembly", "serve", "/etc/hostname")]
    [InlineData(2, "hotline serves connections, not datagrams, so it can't be bound to udp:127.0.0.1:8009.", "serve", "hotline", "--bind", "udp:127.0.0.1:8009")]
    [InlineData(2, "tls-cert of 127.0.0.1:8009: The certificate of /none/a.pem can't be read: ", "serve", "echo", "--tls-cert", "/none/a.pem")]
    [InlineData(2, "The certificate of /etc/hostname can't be read: ", "serve", "echo", "--tls-cert", "/etc/hostname", "--check-config")]
    [InlineData(2, "tls-password env:NO_SUCH_VARIABLE: the environment has no variable NO_SUCH_VARIABLE.", "serve", "echo", "--tls-cert", "/none/a.pfx", "--tls-password", "env:NO_SUCH_VARIABLE")]
    [InlineData(2, "tls-password file:/none/password can't be read: ", "serve", "echo", "--tls-cert", "/none/a.pfx", "--tls-password", "file:/none/password")]
    public async Task What_cannot_be_done_is_one_line_on_standard_error_and_an_exit_code(int expectedCode, string expected, params string[] arguments)
    {
        (int exitCode, string output, string error) = await SwitchboardTool.RunAsync(arguments);
        Assert.Contains(expected, error);
        Assert.Equal(expectedCode, exitCode);
        Assert.Empty(output);
        Assert.Matches("[.?]\n$", error);
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
    [InlineData("--bind: '8009' is not an address. Write HOST:PORT with a port from 0 to 65535, 127.0.0.1:8009 for example, or unix:PATH, fd:NUMBER, systemd:NAME.", "serve", "echo", "--bind", "8009")]
    [InlineData("--bind: 'host.invalid' in 'host.invalid:80' is not an address of this machine. Write an IPv4 address, an IPv6 address in brackets, localhost, or * for all addresses.", "serve", "echo", "--bind", "host.invalid:80")]
    [InlineData("--bind: 'unix:' has no path. Write unix:/run/app.sock, or unix:@name for an abstract address.", "serve", "echo", "--bind", "unix:")]
    [InlineData("--bind: 'systemd:' names no socket. Write fd:NUMBER, or systemd:NAME or systemd:INDEX.", "serve", "echo", "--bind", "systemd:")]
    [InlineData("--tls-key means nothing without --tls-cert.", "serve", "echo", "--tls-key", "a.key")]
    [InlineData("127.0.0.1:8009 has 1 of tls-cert and 2 of tls-key. Give a key for each certificate, in the same order, or - for one that holds its key itself.", "serve", "echo", "--tls-cert", "a.pem", "--tls-key", "a.key,b.key")]
    [InlineData("--tls-cert is not for udp:127.0.0.1:0: it is for TCP and Unix sockets.", "serve", "echo", "--bind", "udp:127.0.0.1:0", "--tls-cert", "a.pem")]
    [InlineData("--tls-password 'secret' does not say where the password is: write file:PATH for the first line of a file, or env:NAME for a variable of the environment.", "serve", "echo", "--tls-cert", "a.pfx", "--tls-password", "secret")]
    [InlineData("--tls-min '1.1' is none of 1.2, 1.3.", "serve", "echo", "--tls-cert", "a.pem", "--tls-min", "1.1")]
    [InlineData("--proxy-untrusted means nothing without --proxy-protocol.", "serve", "echo", "--proxy-untrusted", "serve")]
    [InlineData("--proxy-protocol '10.0.0.1,ten' can't be believed: 'ten' is not a network. Write an address (10.0.0.7), or a network by its first address and its length (10.0.0.0/8).", "serve", "echo", "--proxy-protocol", "10.0.0.1", "--proxy-protocol", "ten")]
    [InlineData("--keep-alive '10h' is not a time from 1 second to 32767 seconds, nor off.", "serve", "echo", "--keep-alive", "10h")]
    [InlineData("--unix-mode is not for 127.0.0.1:8009: it is for Unix sockets.", "serve", "echo", "--unix-mode", "600")]
    [InlineData("--to is for the handler gateway, not for echo.", "serve", "echo", "--to", "127.0.0.1:80")]
    [InlineData("--to 'nowhere' can't be called: 'nowhere' is not an address. Write HOST:PORT with a port from 0 to 65535, 127.0.0.1:8009 for example, or unix:PATH, fd:NUMBER, systemd:NAME.", "serve", "gateway", "--to", "nowhere")]
    [InlineData("--to 'fd:3' can't be called. Write HOST:PORT, unix:PATH, or tls:HOST:PORT for TLS.", "serve", "gateway", "--to", "fd:3")]
    [InlineData("The gateway at 127.0.0.1:8009 does not know whom to call. Say it with --to HOST:PORT, or \"to\" in the configuration file.", "serve", "gateway", "--check-config")]
    [InlineData("to-ca is for TLS, and 127.0.0.1:8009 calls localhost:443 in clear. Write tls:localhost:443 to call it over TLS.", "serve", "gateway", "--to", "localhost:443", "--to-ca", "a.pem")]
    [InlineData("--unix-user '4294967295' is neither a name, nor a number from 0 to 4294967294.", "serve", "echo", "--bind", "unix:@echo", "--unix-user", "4294967295")]
    [InlineData("--group means nothing without --user.", "serve", "echo", "--group", "adm")]
    [InlineData("--umask '9' is not an access mode in octal digits from 000 to 777.", "serve", "echo", "--umask", "9")]
    [InlineData("Unrecognized command or argument '--frobnicate'.", "serve", "echo", "--frobnicate")]
    [InlineData("Required argument 'what' missing for command: 'serve'.", "serve")]
    public async Task A_word_that_is_wrong_is_said_with_where_to_read_on_and_exit_code_2(string expected, params string[] arguments)
    {
        (int exitCode, string output, string error) = await SwitchboardTool.RunAsync(arguments);
        Assert.Equal($"{expected}\nSee: switchboard serve --help\n", error);
        Assert.Empty(output);
        Assert.Equal(2, exitCode);
    }

    [Theory(Timeout = Limit)]
    [InlineData("--timeout 'long' is not a time from 0 to 1000000 seconds: write 500ms, 30s, 5m, 2h or a number of seconds.", "--timeout", "long")]
    [InlineData("Say with one of --control, --pid and --name which program is meant.", "--control", "/none", "--name", "echo")]
    public async Task Wrong_words_of_stop_are_told_in_the_same_way(string expected, params string[] arguments)
    {
        (int exitCode, string output, string error) = await SwitchboardTool.RunAsync(["stop", .. arguments]);
        Assert.Equal($"{expected}\nSee: switchboard stop --help\n", error);
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
        Assert.Contains("echo, hotline, miniredis, gateway", output);
    }
}
