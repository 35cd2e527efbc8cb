using Switchboard.Bench.Load;
using Switchboard.Bench.Peers;

namespace Switchboard.Bench.Suites;

/// <summary>Datagrams there and back, each caller with one under way.</summary>
internal static class UdpSuite
{
    private const int Connections = 64;

    internal static async Task RunAsync(BenchOptions options, CancellationToken stop)
    {
        (List<Server> ours, List<Server> peers) = ServerComparison.Competitors(UdpServers.Find(), options);
        LoadRequest echo = new(0, options.Connections ?? Connections, options.EchoSize, Reconnect: false, options.Seconds, LoadKind.Udp);
        string load = "udp" + ServerComparison.Suffix("connections", options.Connections) + ServerComparison.Suffix("bytes", options.Size);
        foreach ((string server, List<Sample> rounds) in await ServerComparison.RunAsync(load, ours, peers, options, echo, stop))
        {
            AllocationsSuite.Tell($"{load}-{server}", rounds);
        }
    }
}
