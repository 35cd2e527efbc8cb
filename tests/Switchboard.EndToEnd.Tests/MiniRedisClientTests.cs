using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The sample as the clients of Redis meet it.</summary>
public sealed class MiniRedisClientTests
{
    private const int Limit = 120_000;
    private const string Cli = "redis-cli";
    private const string Benchmark = "redis-benchmark";

    [Theory(Timeout = Limit)]
    [InlineData("threads")]
    [InlineData("sequential")]
    [InlineData("eventloop")]
    public async Task Redis_cli_talks_to_it(string model)
    {
        Installed.Require(Cli);
        using SwitchboardTool redis = await SwitchboardTool.ServeAsync("miniredis", "--model", model);
        Assert.Equal("PONG\n", await AskAsync(redis, "PING"));
        Assert.Equal("OK\n", await AskAsync(redis, "SET", "greeting", "hello there", "EX", "100"));
        Assert.Equal("hello there\n", await AskAsync(redis, "GET", "greeting"));
        Assert.Equal("100\n", await AskAsync(redis, "TTL", "greeting"));
        Assert.Equal("1\n", await AskAsync(redis, "INCR", "count"));
        Assert.Equal("2\n", await AskAsync(redis, "DEL", "greeting", "count", "none"));
        Assert.Equal("\n", await AskAsync(redis, "GET", "greeting"));
        Assert.Equal("ERR unknown command 'LPUSH', with args beginning with: 'list' '1' \n\n", await AskAsync(redis, "LPUSH", "list", "1"));
        Assert.Equal(0, (await redis.EndAsync()).ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task Redis_cli_reads_commands_from_its_input()
    {
        Installed.Require(Cli);
        using SwitchboardTool redis = await SwitchboardTool.ServeAsync("miniredis");
        using ChildProgram cli = Start(redis, Cli);
        cli.Write("SET k \"a\\x00\\r\\nb\"\nGET k\nnope\n");
        cli.CloseInput();
        (int exitCode, string output, _) = await cli.WaitForEndAsync();
        Assert.Equal("OK\na\0\r\nb\nERR unknown command 'nope', with args beginning with: \n\n", output);
        Assert.Equal(0, exitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task Redis_cli_loads_many_keys_through_a_pipe()
    {
        Installed.Require(Cli);
        const int Keys = 20_000;
        using SwitchboardTool redis = await SwitchboardTool.ServeAsync("miniredis");
        using ChildProgram cli = Start(redis, Cli, "--pipe");
        for (int i = 0; i < Keys; i++)
        {
            cli.Write($"SET key:{i} value:{i}\r\n");
        }
        cli.CloseInput();
        (int exitCode, string output, _) = await cli.WaitForEndAsync();
        Assert.EndsWith($"errors: 0, replies: {Keys}\n", output);
        Assert.Equal(0, exitCode);
        Assert.Equal($"{Keys}\n", await AskAsync(redis, "DBSIZE"));
        Assert.Equal($"value:{Keys - 1}\n", await AskAsync(redis, "GET", $"key:{Keys - 1}"));
    }

    [Theory(Timeout = Limit)]
    [InlineData(1, "--model", "threads")]
    [InlineData(16, "--model", "threads")]
    [InlineData(16, "--model", "eventloop", "--loops", "2")]
    public async Task Redis_benchmark_runs_and_each_of_its_increments_counts(int pipeline, params string[] model)
    {
        Installed.Require(Benchmark);
        Installed.Require(Cli);
        const int Requests = 20_000;
        using SwitchboardTool redis = await SwitchboardTool.ServeAsync("miniredis", model);
        using ChildProgram benchmark = Start(redis, Benchmark, "-t", "ping,set,get,incr", "-n", $"{Requests}", "-c", "20", "-P", $"{pipeline}", "--csv");
        (int exitCode, string output, string error) = await benchmark.WaitForEndAsync();
        Assert.Equal(0, exitCode);
        Assert.Empty(error);
        Assert.DoesNotContain("WARN", output);
        Assert.Equal(["\"test\"", "\"PING_INLINE\"", "\"PING_MBULK\"", "\"SET\"", "\"GET\"", "\"INCR\""],
            output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static row => row.Split(',')[0]));
        Assert.Equal($"{Requests}\n", await AskAsync(redis, "GET", "counter:__rand_int__"));
        (exitCode, _, error) = await redis.EndAsync();
        Assert.Equal(0, exitCode);
        Assert.DoesNotContain(" error ", error);
    }

    [Fact(Timeout = Limit)]
    public async Task The_program_of_the_sample_serves_it_too()
    {
        using ChildProgram sample = ChildProgram.StartAssembly("MiniRedis", "127.0.0.1:0");
        string line = await sample.WaitForLineAsync("listening on ");
        using Caller caller = await Caller.ConnectAsync(System.Net.IPEndPoint.Parse(line["listening on ".Length..]));
        await caller.SendAsync("PING\r\n");
        await caller.ExpectAsync("+PONG\r\n");
    }

    private static async Task<string> AskAsync(SwitchboardTool redis, params string[] words)
    {
        using ChildProgram cli = Start(redis, Cli, words);
        (int exitCode, string output, _) = await cli.WaitForEndAsync();
        Assert.Equal(0, exitCode);
        return output;
    }

    private static ChildProgram Start(SwitchboardTool redis, string program, params string[] words) =>
        ChildProgram.Start(program, ["-h", "127.0.0.1", "-p", $"{redis.Port}", .. words]);
}
