using Switchboard.Bench.Load;
using Switchboard.Bench.Peers;

namespace Switchboard.Bench.Suites;

/// <summary>Each of our servers against each peer, under one load.</summary>
internal static class ServerComparison
{
    internal static async Task RunAsync(string suite, BenchOptions options, LoadRequest request, CancellationToken stop)
    {
        (List<Server> ours, List<Server> peers) = Competitors(options);
        await RunAsync(suite + Suffix("connections", options.Connections) + Suffix("bytes", options.Size), ours, peers, options, request, stop);
    }

    /// <param name="load">What the result lines call it.</param>
    /// <param name="ours">Each of these is compared</param>
    /// <param name="peers">with each of these.</param>
    /// <param name="options">How many rounds.</param>
    /// <param name="request">What is sent.</param>
    /// <param name="stop">Ends the run.</param>
    /// <returns>What was measured, for each server.</returns>
    internal static async Task<IReadOnlyDictionary<string, List<Sample>>> RunAsync(
        string load, List<Server> ours, List<Server> peers, BenchOptions options, LoadRequest request, CancellationToken stop)
    {
        IReadOnlyDictionary<string, List<Sample>> samples = await Contest.RunAsync([.. ours, .. peers], options, request, stop);
        foreach (Server our in ours)
        {
            string model = ModelOf(our.Name);
            foreach (Server peer in peers)
            {
                Report.Ratio($"{load}-cpu-{model}-vs-{peer.Name}", Time(samples[our.Name]), peer.Name, Time(samples[peer.Name]), "us");
                Report.Ratio($"{load}-rate-{model}-vs-{peer.Name}", Rate(samples[our.Name]), peer.Name, Rate(samples[peer.Name]), "k/s");
                Report.Ratio($"{load}-p99-{model}-vs-{peer.Name}", Slowest(samples[our.Name]), peer.Name, Slowest(samples[peer.Name]), "us");
                if (!request.Reconnect)
                {
                    Report.Ratio($"{load}-memory-{model}-vs-{peer.Name}", Memory(samples[our.Name]), peer.Name, Memory(samples[peer.Name]), "MB");
                }
            }
        }
        return samples;
    }

    /// <summary>Those that the options ask for, of all that this machine can run.</summary>
    internal static (List<Server> Ours, List<Server> Peers) Competitors(BenchOptions options) => Competitors(ServerList.Find(), options);

    /// <summary>Those of some that the options ask for.</summary>
    internal static (List<Server> Ours, List<Server> Peers) Competitors(IReadOnlyList<Server> all, BenchOptions options)
    {
        return (Choose(all.Where(IsOurs), options.Ours), Choose(all.Where(server => !IsOurs(server)), options.Peers));
    }

    internal static bool IsOurs(Server server) => server.Name.StartsWith(ServerList.OursPrefix, StringComparison.Ordinal);

    internal static string ModelOf(string ours) => ours[ServerList.OursPrefix.Length..];

    internal static List<Server> Choose(IEnumerable<Server> from, IReadOnlyList<string>? names)
    {
        List<Server> all = [.. from];
        return [.. Choose(all.Select(server => server.Name), names).Select(name => all.Find(server => server.Name == name)!)];
    }

    internal static List<string> Choose(IEnumerable<string> from, IReadOnlyList<string>? names)
    {
        List<string> all = [.. from];
        return names is null
            ? all
            : [.. names.Distinct().Select(name => all.Contains(name)
                ? name
                : throw new BenchException($"There is no server '{name}' here; there are {string.Join(", ", all)}."))];
    }

    // A result under another load than the usual one says so in its name.
    internal static string Suffix(string what, int? count) => count is null ? "" : $"-{count}-{what}";

    private static double Time(List<Sample> samples) => Report.Median(samples.Select(sample => sample.MicrosecondsPerRequest));

    private static double Rate(List<Sample> samples) => Report.Median(samples.Select(sample => sample.KiloRequestsPerSecond));

    private static double Slowest(List<Sample> samples) => Report.Median(samples.Select(sample => sample.Latency.Percentile99));

    private static double Memory(List<Sample> samples) => Report.Median(samples.Select(sample => sample.ResidentMegabytes));
}
