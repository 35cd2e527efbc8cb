using Switchboard.Bench.Load;

namespace Switchboard.Bench.Suites;

/// <summary>The memory that servers hold for connections that are silent, once each has echoed one message.</summary>
internal static class IdleSuite
{
    private const int Connections = 5000;

    // What warms a server up before: few connections at once, whose memory would be used again by those that are counted.
    private const int WarmUpCallers = 16;
    private const double LongestWarmUp = 0.3;

    // Below this there is nothing to compare with.
    private const double LeastBytes = 1;

    internal static async Task RunAsync(BenchOptions options, CancellationToken stop)
    {
        (List<Server> ours, List<Server> peers) = ServerComparison.Competitors(options);
        Cores cores = Cores.FindAndTell();
        int connections = options.Connections ?? Connections;
        Dictionary<string, List<double>> figures = new();
        using GeneratorProcess generator = GeneratorProcess.Start(cores);
        for (int round = 1; round <= options.Rounds; round++)
        {
            foreach (Server server in ours.Concat(peers))
            {
                (double bytes, double? heapBytes) = await MeasureAsync(server, cores, generator, connections, options.EchoSize, options.Seconds, stop);
                string managed = heapBytes is null ? "" : $", {heapBytes:F0} of them on the managed heap";
                Console.Error.WriteLine($"round {round} of {options.Rounds}: {server.Name} {bytes:F0} bytes for an idle connection{managed}");
                figures.TryAdd(server.Name, []);
                figures[server.Name].Add(bytes);
            }
        }
        string load = "idle" + ServerComparison.Suffix("connections", options.Connections);
        foreach (Server peer in peers)
        {
            double peerBytes = Report.Median(figures[peer.Name]);
            if (peerBytes < LeastBytes)
            {
                Console.Error.WriteLine($"{peer.Name} holds nothing for a connection, so there is no ratio to it.");
                continue;
            }
            foreach (Server our in ours)
            {
                Report.Ratio($"{load}-memory-{ServerComparison.ModelOf(our.Name)}-vs-{peer.Name}", Report.Median(figures[our.Name]), peer.Name, peerBytes, "B");
            }
        }
    }

    // Each time with a server of its own: one that had as many connections before would use their memory again.
    private static async Task<(double Bytes, double? HeapBytes)> MeasureAsync(
        Server server, Cores cores, GeneratorProcess generator, int connections, int size, double seconds, CancellationToken stop)
    {
        using ServerProcess process = await ServerProcess.StartAsync(server, cores, stop);
        LoadRequest echo = new(process.Port, WarmUpCallers, size, Reconnect: false, Math.Min(seconds, LongestWarmUp));
        await Contest.WarmUpAsync(generator, [process], [echo with { Reconnect = true }, echo], stop);
        ManagedUse? useBefore = await process.CollectAsync(stop);
        long before = process.PrivateBytes;
        double bytes = 0;
        double? heapBytes = null;
        await generator.HoldAsync(process, connections, size, async () =>
        {
            ManagedUse? use = await process.CollectAsync(stop);
            bytes = (double)(process.PrivateBytes - before) / connections;
            heapBytes = (double?)(use?.HeapBytes - useBefore?.HeapBytes) / connections;
        }, stop);
        return (bytes, heapBytes);
    }
}
