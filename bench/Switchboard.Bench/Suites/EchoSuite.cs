using Switchboard.Bench.Load;

namespace Switchboard.Bench.Suites;

/// <summary>Echoes on connections that are kept.</summary>
internal static class EchoSuite
{
    private const int Connections = 64;

    internal static Task RunAsync(BenchOptions options, CancellationToken stop) => ServerComparison.RunAsync("echo", options, Request(options), stop);

    internal static LoadRequest Request(BenchOptions options) => new(0, options.Connections ?? Connections, options.EchoSize, Reconnect: false, options.Seconds);
}
