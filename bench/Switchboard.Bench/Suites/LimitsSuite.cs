namespace Switchboard.Bench.Suites;

/// <summary>Echoes on connections that are kept, with all limits, metrics and activities on, against none.</summary>
internal static class LimitsSuite
{
    internal static async Task RunAsync(BenchOptions options, CancellationToken stop)
    {
        Server[] servers = [.. new[] { ServerVerb.Watched, ServerVerb.Plain }.Select(name => new Server(name, Managed: true, ChildProcess.Self("server", name)))];
        IReadOnlyDictionary<string, List<Sample>> samples = await Contest.RunAsync(servers, options, EchoSuite.Request(options), stop);
        string load = "limits" + ServerComparison.Suffix("connections", options.Connections) + ServerComparison.Suffix("bytes", options.Size);
        // Round by round, since what else the machine does meets both of a round alike.
        double ratio = Report.Median(samples[ServerVerb.Watched].Zip(samples[ServerVerb.Plain], static (on, off) => on.MicrosecondsPerRequest / off.MicrosecondsPerRequest));
        Console.Error.WriteLine($"The middle of the rounds' own ratios is {ratio:F3}.");
        Report.Ratio($"{load}-cpu-on-vs-off", Time(samples[ServerVerb.Watched]), ServerVerb.Plain, Time(samples[ServerVerb.Plain]), "us");
    }

    private static double Time(List<Sample> samples) => Report.Median(samples.Select(static sample => sample.MicrosecondsPerRequest));
}
