using Switchboard.Bench.Load;
using Switchboard.Bench.Peers;

namespace Switchboard.Bench.Suites;

/// <summary>Each of our servers against each peer, under one load.</summary>
internal static class ServerComparison
{
    internal static async Task RunAsync(string suite, BenchOptions options, LoadRequest request, CancellationToken stop)
    {
        IReadOnlyList<Server> all = ServerList.Find();
        List<Server> ours = Choose(all.Where(IsOurs), options.Ours);
        List<Server> peers = Choose(all.Where(server => !IsOurs(server)), options.Peers);
        IReadOnlyDictionary<string, List<Sample>> samples = await Contest.RunAsync([.. ours, .. peers], options, request, stop);
        foreach (Server our in ours)
        {
            string model = our.Name[ServerList.OursPrefix.Length..];
            if (Allocated(samples[our.Name]) is { } bytes)
            {
                Console.Error.WriteLine($"allocations {suite}-{model} {bytes:F2} bytes per request");
            }
            foreach (Server peer in peers)
            {
                Report.Ratio($"{suite}-cpu-{model}-vs-{peer.Name}", Time(samples[our.Name]), peer.Name, Time(samples[peer.Name]), "us");
                Report.Ratio($"{suite}-rate-{model}-vs-{peer.Name}", Rate(samples[our.Name]), peer.Name, Rate(samples[peer.Name]), "k/s");
            }
        }
    }

    private static bool IsOurs(Server server) => server.Name.StartsWith(ServerList.OursPrefix, StringComparison.Ordinal);

    private static List<Server> Choose(IEnumerable<Server> from, IReadOnlyList<string>? names)
    {
        List<Server> all = [.. from];
        return names is null
            ? all
            : [.. names.Select(name => all.Find(server => server.Name == name)
                ?? throw new BenchException($"There is no server '{name}' here; there are {string.Join(", ", all.Select(server => server.Name))}."))];
    }

    private static double Time(List<Sample> samples) => Report.Median(samples.Select(sample => sample.MicrosecondsPerRequest));

    private static double Rate(List<Sample> samples) => Report.Median(samples.Select(sample => sample.KiloRequestsPerSecond));

    private static double? Allocated(List<Sample> samples) =>
        samples.All(sample => sample.BytesPerRequest is not null) ? Report.Median(samples.Select(sample => sample.BytesPerRequest!.Value)) : null;
}
