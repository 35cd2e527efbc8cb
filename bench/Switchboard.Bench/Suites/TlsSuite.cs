using Switchboard.Bench.Load;
using Switchboard.Bench.Peers;

namespace Switchboard.Bench.Suites;

/// <summary>Echoes over TLS 1.3 on connections that are kept, small and large; then handshakes.</summary>
internal static class TlsSuite
{
    private const int Connections = 64;
    private const int HandshakesAtOnce = 16;
    private const int SmallSize = 64;
    private const int LargeSize = 16 * 1024;

    internal static async Task RunAsync(BenchOptions options, CancellationToken stop)
    {
        (List<Server> ours, List<Server> peers) = ServerComparison.Competitors(TlsServers.All, options);
        foreach (int size in options.Size is { } asked ? (int[])[asked] : [SmallSize, LargeSize])
        {
            LoadRequest echo = new(0, options.Connections ?? Connections, size, Reconnect: false, options.Seconds, LoadKind.Tls);
            string load = "tls" + ServerComparison.Suffix("connections", options.Connections) + ServerComparison.Suffix("bytes", size == SmallSize ? null : size);
            TellAllocations(load, await ServerComparison.RunAsync(load, ours, peers, options, echo, stop));
        }
        LoadRequest handshake = new(0, options.Connections ?? HandshakesAtOnce, SmallSize, Reconnect: true, options.Seconds, LoadKind.Tls);
        string handshakes = "tls-handshake" + ServerComparison.Suffix("connections", options.Connections);
        TellAllocations(handshakes, await ServerComparison.RunAsync(handshakes, ours, peers, options, handshake, stop));
    }

    private static void TellAllocations(string load, IReadOnlyDictionary<string, List<Sample>> samples)
    {
        foreach ((string server, List<Sample> rounds) in samples)
        {
            AllocationsSuite.Tell($"{load}-{server}", rounds);
        }
    }
}
