using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Switchboard.Linux;

namespace Switchboard.EndToEnd.Tests;

public sealed class ToolServesTests
{
    private const int Limit = 60_000;

    [Fact(Timeout = Limit)]
    public async Task One_line_on_standard_output_says_where_and_callers_leave_no_trace()
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--bind", "127.0.0.1:0", "--model", "threads");
        Assert.NotEqual(0, tool.Port);
        for (int i = 0; i < 3; i++)
        {
            using Caller caller = await tool.CallAsync();
            await caller.SendAsync("hello");
            await caller.ExpectAsync("hello");
        }
        (int exitCode, string output, string error) = await tool.EndAsync();
        Assert.Equal(0, exitCode);
        Assert.Equal($"listening on 127.0.0.1:{tool.Port}\n", output);
        string[] records = error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(records, record => Assert.Matches(@"^\d\d:\d\d:\d\d\.\d\d\d info .* (listens on|stops)", record));
        Assert.Equal(2, records.Length);
    }

    [Fact(Timeout = Limit)]
    public async Task Callers_are_logged_at_debug_a_line_for_each_event()
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--log-level", "debug");
        string name;
        using (Caller caller = await tool.CallAsync())
        {
            name = $"{caller.Socket.LocalEndPoint}";
            caller.EndOutput();
            Assert.Empty(await caller.ReceiveToEndAsync());
        }
        (_, string output, string error) = await tool.EndAsync();
        Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        string[] records = [.. error.Split('\n').Where(record => record.Contains(name, StringComparison.Ordinal))];
        Assert.Collection(records,
            record => Assert.Contains(" debug ", record),
            record => Assert.Contains("PeerClosed", record));
    }

    [Theory(Timeout = Limit)]
    [InlineData("--model", "threads")]
    [InlineData("--model", "sequential")]
    [InlineData("--model", "eventloop")]
    [InlineData("--model", "eventloop", "--loops", "2")]
    [InlineData("--model", "tasks")]
    public async Task Echo_sends_back_what_it_reads_byte_for_byte(params string[] model)
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", model);
        using Caller caller = await tool.CallAsync();
        byte[] bytes = RandomNumberGenerator.GetBytes(3 * 1024 * 1024 + 1);
        Task<byte[]> receiving = caller.ReceiveToEndAsync();
        await caller.SendAsync(bytes);
        caller.EndOutput();
        Assert.Equal(bytes, await receiving);
        Assert.Equal(0, (await tool.EndAsync()).ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task Sequential_serves_one_caller_after_another()
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--model", "sequential");
        using Caller first = await tool.CallAsync();
        await first.SendAsync("1");
        await first.ExpectAsync("1");
        using Caller second = await tool.CallAsync();
        await second.SendAsync("2");
        Assert.False(second.Socket.Poll(TimeSpan.FromMilliseconds(200), SelectMode.SelectRead));
        first.EndOutput();
        await second.ExpectAsync("2");
    }

    [Fact(Timeout = Limit)]
    public async Task A_silent_caller_holds_nobody_up_under_threads()
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--model", "threads");
        using Caller silent = await tool.CallAsync();
        using Caller other = await tool.CallAsync();
        await other.SendAsync("2");
        await other.ExpectAsync("2");
        await silent.SendAsync("1");
        await silent.ExpectAsync("1");
    }

    [Theory(Timeout = Limit)]
    [InlineData("--limit", "1")]
    [InlineData("--max-connections", "1", "--model", "eventloop")]
    public async Task A_caller_beyond_the_limit_waits_for_a_call_to_end(params string[] options)
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", options);
        using Caller first = await tool.CallAsync();
        await first.SendAsync("1");
        await first.ExpectAsync("1");
        using Caller second = await tool.CallAsync();
        await second.SendAsync("2");
        Assert.False(second.Socket.Poll(TimeSpan.FromMilliseconds(200), SelectMode.SelectRead));
        first.EndOutput();
        await second.ExpectAsync("2");
    }

    [Theory(Timeout = Limit)]
    [InlineData("--limit", "1", "--when-full", "refuse")]
    [InlineData("--max-connections", "1", "--when-full", "refuse", "--model", "eventloop")]
    [InlineData("--max-per-address", "1", "--model", "tasks")]
    public async Task A_caller_beyond_the_limit_is_refused_if_so_chosen(params string[] options)
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", options);
        using Caller first = await tool.CallAsync();
        await first.SendAsync("1");
        await first.ExpectAsync("1");
        using Caller second = await tool.CallAsync();
        Assert.Empty(await second.ReceiveToEndAsync());
        await first.SendAsync("1");
        await first.ExpectAsync("1");
    }

    [Fact(Timeout = Limit)]
    public async Task An_idle_caller_is_cut_off_after_the_time_that_was_given()
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--idle", "0.2", "-l", "debug");
        using Caller caller = await tool.CallAsync();
        await caller.SendAsync("1");
        await caller.ExpectAsync("1");
        Assert.Empty(await caller.ReceiveToEndAsync());
        Assert.Contains("ended, Idle,", (await tool.EndAsync()).Error);
    }

    [Fact(Timeout = Limit)]
    public async Task Two_programs_share_a_port_only_if_both_say_so()
    {
        using SwitchboardTool first = await SwitchboardTool.ServeAsync("echo", "--reuse-port");
        using SwitchboardTool second = await SwitchboardTool.ServeAsync("echo", "--reuse-port", "--bind", first.Address);
        Assert.Equal(first.Port, second.Port);
        (int exitCode, _, string error) = await SwitchboardTool.RunAsync("serve", "echo", "--bind", first.Address);
        Assert.Equal(1, exitCode);
        Assert.Equal(new AddressInUseException("bind", first.Address).Message + "\n", error);
    }

    [Theory(Timeout = Limit)]
    [InlineData("threads")]
    [InlineData("eventloop")]
    [InlineData("tasks")]
    public async Task A_unix_socket_is_served_and_its_file_goes_with_the_server(string model)
    {
        using var folder = new TemporaryFolder();
        string path = folder["echo.sock"];
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--bind", $"unix:{path}", "--model", model);
        Assert.Equal($"unix:{path}", tool.Address);
        using (Caller caller = await tool.CallAsync())
        {
            await caller.SendAsync("hello");
            await caller.ExpectAsync("hello");
        }
        Assert.True(File.Exists(path));
        Assert.Equal(0, (await tool.EndAsync("TERM")).ExitCode);
        Assert.False(File.Exists(path));
    }

    [Fact(Timeout = Limit)]
    public async Task A_unix_socket_that_a_killed_server_left_is_taken_over_and_a_living_one_is_not()
    {
        using var folder = new TemporaryFolder();
        string path = folder["echo.sock"];
        using (SwitchboardTool killed = await SwitchboardTool.ServeAsync("echo", "--bind", $"unix:{path}"))
        {
            await killed.EndAsync("KILL");
        }
        Assert.True(File.Exists(path), "The premise: a killed server leaves its file.");
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--bind", $"unix:{path}");
        (int exitCode, _, string error) = await SwitchboardTool.RunAsync("serve", "echo", "--bind", $"unix:{path}");
        Assert.Equal(1, exitCode);
        Assert.Contains(path, error);
        Assert.Contains("is in use", error);
        using Caller caller = await tool.CallAsync();
        await caller.SendAsync("still here");
        await caller.ExpectAsync("still here");
    }

    [Fact(Timeout = Limit)]
    public async Task Ipv6_and_all_addresses_are_served_and_named_so_that_they_can_be_used_again()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6 && File.Exists("/proc/net/if_inet6") && File.ReadAllText("/proc/net/if_inet6").Contains(" lo", StringComparison.Ordinal), "This machine has no IPv6 loopback address.");
        using (SwitchboardTool six = await SwitchboardTool.ServeAsync("echo", "--bind", "[::1]:0"))
        {
            Assert.Equal($"[::1]:{six.Port}", six.Address);
            using Caller caller = await six.CallAsync();
            await caller.SendAsync("6");
            await caller.ExpectAsync("6");
        }
        using SwitchboardTool all = await SwitchboardTool.ServeAsync("echo", "--bind", "*:0");
        foreach (IPAddress address in (IPAddress[])[IPAddress.Loopback, IPAddress.IPv6Loopback])
        {
            using Caller caller = await Caller.ConnectAsync(new IPEndPoint(address, all.Port));
            await caller.SendAsync("all");
            await caller.ExpectAsync("all");
        }
    }
}
