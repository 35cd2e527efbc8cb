using System.Diagnostics;
using System.Globalization;
using Switchboard.Bench.Peers;

namespace Switchboard.Bench.Redis;

/// <summary>One way to call: a command, how many are sent before answers are awaited, by how many callers, with values of
/// how many bytes.</summary>
internal sealed record RedisLoad(string Command, int Pipeline, int Clients, int ValueSize);

/// <summary>What one call of <c>redis-benchmark</c> gave.</summary>
/// <param name="CommandsPerSecond">As it says.</param>
/// <param name="MicrosecondsPerCommand">The server's processor time for one command.</param>
/// <param name="Commands">How many were sent.</param>
internal sealed record RedisSample(double CommandsPerSecond, double MicrosecondsPerCommand, long Commands);

/// <summary><c>redis-benchmark</c> as the load generator, kept on the other processor.</summary>
internal static class RedisBenchmark
{
    internal const string Program = "redis-benchmark";

    // The names of its tests: PING is sent as clients send it, in an array of bulk strings.
    private static readonly Dictionary<string, string> _tests = new() { ["ping"] = "ping_mbulk", ["set"] = "set", ["get"] = "get" };

    internal static IEnumerable<string> Commands => _tests.Keys;

    /// <summary>Sends a number of commands, and waits for the answers.</summary>
    /// <exception cref="BenchException">It failed; what the server answered stands in its words.</exception>
    internal static async Task<RedisSample> CallAsync(RedisProcess server, RedisLoad load, long commands, Cores cores, CancellationToken stop)
    {
        string[] command =
        [
            Program, "-h", "127.0.0.1", "-p", $"{server.Port}", "-c", $"{load.Clients}", "-n", $"{commands}", "-P", $"{load.Pipeline}",
            "-d", $"{load.ValueSize}", "-t", _tests[load.Command], "--csv",
        ];
        string[] pinned = cores.Generator is { } processor ? ["taskset", "-c", $"{processor}", .. command] : command;
        if (!Tools.IsInstalled(Program))
        {
            throw new BenchException($"There is no {Program} on the path; it is in the package redis-tools.");
        }
        TimeSpan before = server.ProcessorTime;
        using Process process = Process.Start(new ProcessStartInfo(pinned[0], pinned[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            Task<string> errors = process.StandardError.ReadToEndAsync(stop);
            string output = await process.StandardOutput.ReadToEndAsync(stop);
            await process.WaitForExitAsync(stop);
            TimeSpan used = server.ProcessorTime - before;
            // A heading may come before it, and warnings.
            string[] fields = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault("").Split(',');
            return process.ExitCode == 0 && fields.Length > 1 && double.TryParse(fields[1].Trim('"'), CultureInfo.InvariantCulture, out double rate)
                ? new RedisSample(rate, used.TotalMicroseconds / commands, commands)
                : throw new BenchException($"{Program} failed at {server.Name} with exit code {process.ExitCode}: {output}{await errors}");
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }
}
