using Switchboard.Bench.Peers;
using Switchboard.Bench.Redis;

namespace Switchboard.Bench.Suites;

/// <summary>MiniRedis, the sample, against <c>redis-server</c>: PING, SET and GET, one at a time and 16 at once.</summary>
internal static class RedisSuite
{
    private const string PeerProgram = "redis-server";
    private const int Clients = 50;
    private const int ValueSize = 3;
    private const int DeepPipeline = 16;

    // Each command, so that what .NET compiles late is compiled before it counts.
    private const int WarmUps = 4;
    private const long FirstCommands = 10_000;

    private static readonly Dictionary<string, Func<int, IReadOnlyList<string>>> _ours = new()
    {
        ["ours-eventloop"] = port => [Tools.SwitchboardTool, "serve", "miniredis", "--model", "eventloop", "--bind", $"127.0.0.1:{port}", "--log-level", "warning"],
    };

    private static readonly Dictionary<string, Func<int, IReadOnlyList<string>>> _peers = new()
    {
        [PeerProgram] = port => [PeerProgram, "--bind", "127.0.0.1", "--port", $"{port}", "--save", "", "--appendonly", "no", "--loglevel", "warning"],
    };

    internal static async Task RunAsync(BenchOptions options, CancellationToken stop)
    {
        List<string> ours = ServerComparison.Choose(_ours.Keys, options.Ours);
        List<string> peers = ServerComparison.Choose(_peers.Keys, options.Peers);
        if (!Tools.IsInstalled(PeerProgram))
        {
            Console.Error.WriteLine($"The peer {PeerProgram} is left out: there is none on the path.");
            peers.Remove(PeerProgram);
        }
        RedisLoad[] loads =
        [
            .. from pipeline in (int[])[1, DeepPipeline]
               from command in RedisBenchmark.Commands
               select new RedisLoad(command, pipeline, options.Connections ?? Clients, options.Size ?? ValueSize),
        ];
        Dictionary<(string Server, RedisLoad Load), List<RedisSample>> samples = await MeasureAsync([.. ours, .. peers], loads, options, stop);
        string suffix = ServerComparison.Suffix("connections", options.Connections) + ServerComparison.Suffix("bytes", options.Size);
        foreach (string our in ours)
        {
            foreach (string peer in peers)
            {
                foreach (RedisLoad load in loads)
                {
                    string name = $"redis-{load.Command}{(load.Pipeline == 1 ? "" : $"-pipeline-{load.Pipeline}")}{suffix}";
                    string pair = $"{ServerComparison.ModelOf(our)}-vs-{peer}";
                    List<RedisSample> us = samples[(our, load)];
                    List<RedisSample> them = samples[(peer, load)];
                    Report.Ratio($"{name}-cpu-{pair}", Time(us), peer, Time(them), "us");
                    Report.Ratio($"{name}-rate-{pair}", Rate(us), peer, Rate(them), "k/s");
                }
            }
        }
    }

    private static async Task<Dictionary<(string Server, RedisLoad Load), List<RedisSample>>> MeasureAsync(
        List<string> servers, RedisLoad[] loads, BenchOptions options, CancellationToken stop)
    {
        Cores cores = Cores.FindAndTell();
        List<RedisProcess> started = [];
        try
        {
            foreach (string server in servers)
            {
                started.Add(await RedisProcess.StartAsync(server, (_ours.GetValueOrDefault(server) ?? _peers[server]), cores, stop));
            }
            Dictionary<(string Server, RedisLoad Load), List<RedisSample>> samples = new();
            for (int round = 1 - WarmUps; round <= options.Rounds; round++)
            {
                foreach (RedisLoad load in loads)
                {
                    foreach (RedisProcess server in round % 2 == 0 ? started : Enumerable.Reverse(started))
                    {
                        List<RedisSample> rounds = samples.TryGetValue((server.Name, load), out List<RedisSample>? found) ? found : samples[(server.Name, load)] = [];
                        long commands = rounds.Count == 0 ? FirstCommands : Math.Max(FirstCommands, (long)(rounds[^1].CommandsPerSecond * options.Seconds));
                        RedisSample sample = await RedisBenchmark.CallAsync(server, load, commands, cores, stop);
                        string when = round < 1 ? "warm-up" : $"round {round} of {options.Rounds}";
                        Console.Error.WriteLine(
                            $"{when}: {server.Name} {load.Command}, {load.Pipeline} at once, {sample.CommandsPerSecond / 1000:F1} k/s, {sample.MicrosecondsPerCommand:F2} us of processor time per command");
                        if (round <= 1)
                        {
                            // Only the last warm-up's rate is of use, to know how many commands fill the time.
                            rounds.Clear();
                        }
                        rounds.Add(sample);
                    }
                }
            }
            return samples;
        }
        finally
        {
            started.ForEach(server => server.Dispose());
        }
    }

    private static double Time(List<RedisSample> samples) => Report.Median(samples.Select(sample => sample.MicrosecondsPerCommand));

    private static double Rate(List<RedisSample> samples) => Report.Median(samples.Select(sample => sample.CommandsPerSecond / 1000));
}
