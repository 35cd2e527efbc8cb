using Switchboard.Bench.Load;

namespace Switchboard.Bench;

/// <summary>Runs servers against the same load in turn: all are started first and stay up, and every round calls each
/// of them once, so that what else the machine does meets all alike.</summary>
internal static class Contest
{
    // .NET compiles what is hot more than once, on a thread of its own, which has to share the server's one processor: the
    // first call of each warm-up leaves it time, and the warm-up ends when nothing more is compiled.
    private const int MostWarmUps = 8;
    private const int FewMethods = 2;

    // A round during which other programs took more than this of the two processors is made again, this often at most.
    private const double BearableShare = 0.2;
    private const int MostAttempts = 5;

    /// <param name="servers">Who takes part.</param>
    /// <param name="options">How many rounds, and how long each.</param>
    /// <param name="request">What is sent; its port is filled in for each server.</param>
    /// <param name="stop">Ends the run.</param>
    /// <param name="helper">What the servers themselves call, if anything.</param>
    /// <returns>The samples of each server, in the order of the rounds.</returns>
    /// <exception cref="BenchException">A server or the load generator failed.</exception>
    internal static async Task<IReadOnlyDictionary<string, List<Sample>>> RunAsync(
        IReadOnlyList<Server> servers, BenchOptions options, LoadRequest request, CancellationToken stop, ServerProcess? helper = null)
    {
        Cores cores = Cores.FindAndTell();
        Dictionary<string, List<Sample>> samples = servers.ToDictionary(server => server.Name, _ => new List<Sample>());
        using Running running = new();
        GeneratorProcess generator = running.Keep(GeneratorProcess.Start(cores));
        generator.Helper = helper;
        List<ServerProcess> started = [];
        foreach (Server server in servers)
        {
            started.Add(running.Keep(await ServerProcess.StartAsync(server, cores, stop)));
        }
        await WarmUpAsync(generator, started, [request with { Callers = 1 }, request], stop);
        for (int round = 0; round < options.Rounds; round++)
        {
            foreach (ServerProcess server in round % 2 == 0 ? started : Enumerable.Reverse(started))
            {
                samples[server.Name].Add(await CallAsync($"round {round + 1} of {options.Rounds}", generator, server, request, MostAttempts, stop));
            }
        }
        int disturbed = samples.Values.Sum(rounds => rounds.Count(sample => sample.OthersShare >= BearableShare));
        if (disturbed > 0)
        {
            Console.Error.WriteLine($"In {disturbed} of {servers.Count * options.Rounds} measurements other programs used the processors too, so the figures are rough. Run it again when the machine is quiet.");
        }
        return samples;
    }

    /// <summary>Calls servers until they are as fast as they will be.</summary>
    /// <param name="generator">What calls them.</param>
    /// <param name="servers">Whom to call.</param>
    /// <param name="requests">What to send, one after the other, the lightest first.</param>
    /// <param name="stop">Ends the run.</param>
    internal static async Task WarmUpAsync(
        GeneratorProcess generator, IReadOnlyList<ServerProcess> servers, IReadOnlyList<LoadRequest> requests, CancellationToken stop)
    {
        List<ServerProcess> cold = [.. servers];
        for (int time = 1; time <= MostWarmUps && cold.Count > 0; time++)
        {
            foreach (ServerProcess server in cold.ToArray())
            {
                int? compiled = 0;
                foreach (LoadRequest request in requests)
                {
                    Sample sample = await CallAsync(request.Callers == 1 ? "light warm-up" : "warm-up", generator, server, request, 1, stop);
                    compiled += sample.CompiledMethods;
                }
                if (time > 1 && !(compiled > FewMethods))
                {
                    cold.Remove(server);
                }
            }
        }
    }

    private static async Task<Sample> CallAsync(
        string what, GeneratorProcess generator, ServerProcess server, LoadRequest request, int mostAttempts, CancellationToken stop)
    {
        Sample? best = null;
        for (int attempt = 1; attempt <= mostAttempts && !(best?.OthersShare < BearableShare); attempt++)
        {
            Sample sample = await generator.CallAsync(server, request with { Port = server.Port }, stop);
            Tell(what, server.Name, sample);
            best = best is null || sample.OthersShare < best.OthersShare ? sample : best;
        }
        return best!;
    }

    private static void Tell(string what, string server, Sample sample)
    {
        Latency latency = sample.Latency;
        string others = sample.OthersShare < BearableShare ? "" : $" (other programs used {sample.OthersShare:P0} of a processor)";
        Console.Error.WriteLine(
            $"{what}: {server} {sample.KiloRequestsPerSecond:F1} k/s, {sample.MicrosecondsPerRequest:F2} us of processor time per request, " +
            $"latency {latency.Median:F0} us p50, {latency.Percentile99:F0} us p99, {latency.Percentile999:F0} us p99.9, " +
            $"{sample.ResidentMegabytes:F1} MB, generator {sample.GeneratorShare:P0} busy{others}");
    }

    /// <summary>Ends all that was started, whatever happens, the last first.</summary>
    private sealed class Running : IDisposable
    {
        private readonly Stack<IDisposable> _kept = new();

        internal T Keep<T>(T started) where T : IDisposable
        {
            _kept.Push(started);
            return started;
        }

        public void Dispose()
        {
            while (_kept.TryPop(out IDisposable? started))
            {
                started.Dispose();
            }
        }
    }
}
