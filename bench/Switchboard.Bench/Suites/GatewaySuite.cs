using Switchboard.Bench.Load;
using Switchboard.Bench.Peers;

namespace Switchboard.Bench.Suites;

/// <summary>Bytes through a gateway, to an echo server and back. The echo server runs beside the load generator, so that the
/// gateway has its processor to itself.</summary>
internal static class GatewaySuite
{
    private const string Peer = "c-relay";
    private const int Connections = 16;
    private const int Size = 64 * 1024;
    private const double Mebibyte = 1024 * 1024;

    internal static async Task RunAsync(BenchOptions options, CancellationToken stop)
    {
        if (CompiledPeer.Build("relay.c") is not { } relay || CompiledPeer.Build("epoll_echo.c") is not { } echo)
        {
            throw new BenchException("The suite gateway needs a compiler of C: without one there is neither an echo server nor a peer.");
        }
        Cores cores = Cores.FindAndTell();
        using ServerProcess target = await ServerProcess.StartAsync(new Server("c-epoll", Managed: false, [echo]), cores with { Server = cores.Generator }, stop);
        List<Server> ours = ServerComparison.Choose(GatewayServer.Models.Select(model =>
            new Server(ServerList.OursPrefix + model, Managed: true, ChildProcess.Self("gateway", model, $"{target.Port}"))), options.Ours);
        var peer = new Server(Peer, Managed: false, [relay, $"{target.Port}"]);
        LoadRequest request = new(0, options.Connections ?? Connections, options.Size ?? Size, Reconnect: false, options.Seconds);
        IReadOnlyDictionary<string, List<Sample>> samples = await Contest.RunAsync([.. ours, peer], options, request, stop, target);
        string load = "gateway" + ServerComparison.Suffix("connections", options.Connections) + ServerComparison.Suffix("bytes", options.Size);
        foreach (Server our in ours)
        {
            string model = ServerComparison.ModelOf(our.Name);
            Report.Ratio($"{load}-rate-{model}-vs-{Peer}", Rate(our), Peer, Rate(peer), "MiB/s");
            Report.Ratio($"{load}-cpu-{model}-vs-{Peer}", Time(our), Peer, Time(peer), "us/MiB");
        }

        // Each request goes through twice: there and back.
        double Rate(Server server) => Report.Median(samples[server.Name].Select(sample => sample.Requests * 2.0 * request.Size / Mebibyte / sample.Seconds));

        double Time(Server server) => Report.Median(samples[server.Name].Select(sample => sample.MicrosecondsPerRequest / (2.0 * request.Size / Mebibyte)));
    }
}
