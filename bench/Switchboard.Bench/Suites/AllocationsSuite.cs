using Switchboard.Bench.Load;
using Switchboard.Bench.Peers;

namespace Switchboard.Bench.Suites;

/// <summary>The bytes that our servers put on the managed heap for one request.</summary>
internal static class AllocationsSuite
{
    internal static async Task RunAsync(BenchOptions options, CancellationToken stop)
    {
        List<Server> ours = ServerComparison.Choose(ServerList.Find().Where(ServerComparison.IsOurs), options.Ours);
        await RunAsync("echo", ours, options, EchoSuite.Request(options), stop);
        await RunAsync("connect", ours, options, ConnectSuite.Request(options), stop);
    }

    private static async Task RunAsync(string load, List<Server> ours, BenchOptions options, LoadRequest request, CancellationToken stop)
    {
        foreach ((string server, List<Sample> samples) in await Contest.RunAsync(ours, options, request, stop))
        {
            Tell($"{load}-{ServerComparison.ModelOf(server)}", samples);
        }
    }

    /// <summary>Says what one server allocated, if it is a .NET program.</summary>
    internal static void Tell(string what, List<Sample> samples)
    {
        double[] bytes = [.. samples.Select(static sample => sample.BytesPerRequest).OfType<double>()];
        if (bytes.Length > 0)
        {
            Console.Error.WriteLine($"allocations {what} {Report.Median(bytes):F2} bytes per request");
        }
    }
}
