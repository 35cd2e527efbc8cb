using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Switchboard.EndToEnd.Tests;

public sealed partial class BenchTests
{
    private const int Limit = 120_000;

    [Theory(Timeout = Limit)]
    [InlineData("echo", "", "echo-cpu us", "echo-rate k/s", "echo-p99 us", "echo-memory MB")]
    [InlineData("connect", "", "connect-cpu us", "connect-rate k/s", "connect-p99 us")]
    [InlineData("idle", "--connections 200", "idle-200-connections-memory B")]
    [InlineData("echo", "--connections 300 --size 16384", "echo-300-connections-16384-bytes-cpu us", "echo-300-connections-16384-bytes-rate k/s",
        "echo-300-connections-16384-bytes-p99 us", "echo-300-connections-16384-bytes-memory MB")]
    public async Task A_suite_writes_ratio_lines_and_nothing_else(string suite, string options, params string[] expected)
    {
        using BenchProgram bench = new(
            [suite, "--rounds", "1", "--seconds", "0.1", "--ours", "ours-eventloop", "--peers", "dotnet-async-sockets", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        (string[] results, string progress, int exitCode) = await bench.EndAsync();
        Assert.True(exitCode == 0, progress);
        Assert.Equal(expected, results.Select(line => NameAndUnit(line, "eventloop", "dotnet-async-sockets")));
    }

    [Fact(Timeout = Limit)]
    public async Task Redis_is_measured_where_it_is_installed_and_left_out_in_a_sentence_elsewhere()
    {
        using BenchProgram bench = new("redis", "--rounds", "1", "--seconds", "0.1");
        (string[] results, string progress, int exitCode) = await bench.EndAsync();
        Assert.True(exitCode == 0, progress);
        Assert.Matches(@"(?m)^round 1 of 1: ours-eventloop get, 16 at once, [0-9.]+ k/s, [0-9.]+ us of processor time per command$", progress);
        if (progress.Contains("The peer redis-server is left out", StringComparison.Ordinal))
        {
            Assert.Empty(results);
            return;
        }
        Assert.Equal(
            from load in (string[])["ping", "set", "get", "ping-pipeline-16", "set-pipeline-16", "get-pipeline-16"]
            from figure in (string[])["cpu us", "rate k/s"]
            select $"redis-{load}-{figure}",
            results.Select(line => NameAndUnit(line, "eventloop", "redis-server")));
    }

    [Fact(Timeout = Limit)]
    public async Task Progress_tells_latencies_in_order()
    {
        using BenchProgram bench = new("echo", "--rounds", "1", "--seconds", "0.1", "--ours", "ours-eventloop", "--peers", "dotnet-async-sockets");
        (_, string progress, int exitCode) = await bench.EndAsync();
        Assert.True(exitCode == 0, progress);
        Match match = Latencies().Match(progress);
        Assert.True(match.Success, progress);
        double median = Number(match, "median");
        Assert.InRange(median, 1, Number(match, "p99"));
        Assert.InRange(Number(match, "p99"), median, Number(match, "p999"));
    }

    [Fact(Timeout = Limit)]
    public async Task Allocations_are_told_beside_the_results()
    {
        using BenchProgram bench = new("allocations", "--rounds", "1", "--seconds", "0.2", "--ours", "ours-threads");
        (string[] results, string progress, int exitCode) = await bench.EndAsync();
        Assert.True(exitCode == 0, progress);
        Assert.Empty(results);
        Assert.Matches(@"(?m)^allocations echo-threads [0-9.]+ bytes per request$", progress);
        Assert.Matches(@"(?m)^allocations connect-threads [0-9.]+ bytes per request$", progress);
    }

    [Fact(Timeout = Limit)]
    public async Task Without_a_name_it_lists_the_suites()
    {
        using BenchProgram bench = new();
        (string[] results, string progress, int exitCode) = await bench.EndAsync();
        Assert.Equal(0, exitCode);
        Assert.Empty(results);
        Assert.Matches(@"(?m)^  echo ", progress);
        Assert.Matches(@"(?m)^  connect ", progress);
    }

    [Theory(Timeout = Limit)]
    [InlineData("There is no suite 'ech'; there are echo, connect, idle, gateway, tls, udp, limits, redis, allocations.", "ech")]
    [InlineData("--rounds takes a whole number of 1 or more, not '0'.", "echo", "--rounds", "0")]
    [InlineData("There is no server 'ours-threads' here; there are ours-eventloop.", "redis", "--ours", "ours-threads")]
    [InlineData("There is no option --round.", "echo", "--round", "1")]
    public async Task A_wrong_argument_is_told_in_a_sentence(string sentence, params string[] arguments)
    {
        using BenchProgram bench = new(arguments);
        (string[] results, string progress, int exitCode) = await bench.EndAsync();
        Assert.Equal(1, exitCode);
        Assert.Empty(results);
        Assert.Contains(sentence, progress, StringComparison.Ordinal);
    }

    [Theory(Timeout = Limit)]
    [InlineData("server dotnet-blocking-threads")]
    [InlineData("generate")]
    public async Task A_killed_process_is_an_error_and_the_others_end(string victim)
    {
        using BenchProgram bench = new("echo", "--rounds", "1000", "--ours", "ours-eventloop,ours-threads", "--peers", "dotnet-blocking-threads");
        IReadOnlyDictionary<int, string> children = await ChildrenAsync(bench);
        using (Process doomed = Process.GetProcessById(children.Single(child => child.Value.EndsWith(victim, StringComparison.Ordinal)).Key))
        {
            doomed.Kill();
        }
        (string[] results, string progress, int exitCode) = await bench.EndAsync();
        Assert.Equal(1, exitCode);
        Assert.Empty(results);
        Assert.Matches(@"(ended with exit code 137 in the middle of the run|Calling dotnet-blocking-threads failed: )", progress);
        AssertEnded(children);
    }

    [Fact(Timeout = Limit)]
    public async Task An_interrupt_ends_it_and_all_that_it_started()
    {
        using BenchProgram bench = new("connect", "--rounds", "1000", "--ours", "ours-eventloop,ours-threads", "--peers", "dotnet-blocking-threads");
        IReadOnlyDictionary<int, string> children = await ChildrenAsync(bench);
        using Process kill = Process.Start("kill", ["-INT", $"{bench.Id}"]);
        (string[] results, _, int exitCode) = await bench.EndAsync();
        Assert.Equal(130, exitCode);
        Assert.Empty(results);
        AssertEnded(children);
    }

    /// <summary>The generator and the servers, once all are up: that is when the first has been called.</summary>
    private static async Task<IReadOnlyDictionary<int, string>> ChildrenAsync(BenchProgram bench)
    {
        while (!(await bench.ReadProgressLineAsync()).StartsWith("warm-up", StringComparison.Ordinal))
        {
        }
        IReadOnlyDictionary<int, string> children = bench.Children();
        Assert.Equal(4, children.Count);
        return children;
    }

    private static void AssertEnded(IReadOnlyDictionary<int, string> children) =>
        Assert.DoesNotContain(children, child => BenchProgram.CommandLineOf(child.Key) == child.Value);

    /// <summary>The name of a result without who took part, and its unit; the form and the figures are checked.</summary>
    private static string NameAndUnit(string line, string ours, string peer)
    {
        Match match = RatioLine().Match(line);
        Assert.True(match.Success, $"'{line}' is not in the form of a result.");
        Assert.Equal(peer, match.Groups["peer"].Value);
        string name = match.Groups["name"].Value;
        string competitors = $"-{ours}-vs-{peer}";
        Assert.EndsWith(competitors, name, StringComparison.Ordinal);
        double figure = Number(match, "ours");
        double peers = Number(match, "peers");
        Assert.True(figure > 0 && peers > 0, $"'{line}' counts nothing.");
        // The figures are rounded to two decimals, or to one from 100 on.
        Assert.InRange(Number(match, "value"), (figure - 0.05) / (peers + 0.05) - 0.001, (figure + 0.05) / (peers - 0.05) + 0.001);
        return $"{name[..^competitors.Length]} {match.Groups["unit"].Value}";
    }

    private static double Number(Match match, string group) => double.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^ratio (?<name>[a-z0-9]+(-[a-z0-9]+)*) (?<value>[0-9]+\.[0-9]{2,3}) \(ours (?<ours>[0-9]+\.[0-9]+) (?<unit>\S+), (?<peer>[a-z0-9-]+) (?<peers>[0-9]+\.[0-9]+) \k<unit>\)$")]
    private static partial Regex RatioLine();

    [GeneratedRegex(@"(?m)^round 1 of 1: ours-eventloop .*latency (?<median>[0-9]+) us p50, (?<p99>[0-9]+) us p99, (?<p999>[0-9]+) us p99\.9, ")]
    private static partial Regex Latencies();
}
