using Switchboard.Bench.Load;

namespace Switchboard.Bench.Suites;

/// <summary>Connect, one echo, close: a new connection for each request.</summary>
internal static class ConnectSuite
{
    private const int Connections = 16;

    internal static Task RunAsync(BenchOptions options, CancellationToken stop) => ServerComparison.RunAsync("connect", options, Request(options), stop);

    internal static LoadRequest Request(BenchOptions options) => new(0, options.Connections ?? Connections, options.EchoSize, Reconnect: true, options.Seconds);
}
