using System.Diagnostics;
using System.Net;
using System.Text.Json;

namespace Switchboard.Bench.Load;

/// <summary>The process that calls the server under test. It is kept for a whole run, so that its code is compiled
/// fully before anything is measured, and ends when its standard input does.</summary>
internal static class LoadGenerator
{
    internal static int Run()
    {
        while (Console.ReadLine() is { } line)
        {
            Answer(JsonSerializer.Deserialize<LoadRequest>(line)!);
        }
        return 0;
    }

    private static void Answer(LoadRequest request)
    {
        long started = Stopwatch.GetTimestamp();
        try
        {
            using ILoad loop = Make(request, new IPEndPoint(IPAddress.Loopback, request.Port));
            loop.Open();
            Say(new LoadResult(0, 0, 0));
            if (Console.ReadLine() is null)
            {
                return;
            }
            started = Stopwatch.GetTimestamp();
            long answered = loop.Run(TimeSpan.FromSeconds(request.Seconds));
            Say(new LoadResult(answered, 0, Stopwatch.GetElapsedTime(started).TotalSeconds, Latency.Of(loop.Latencies)));
            // What the server does about the connections' end is not to be measured: they end once told.
            Console.ReadLine();
        }
        catch (Exception exception) when (exception is LoadException or IOException)
        {
            Say(new LoadResult(0, 1, Stopwatch.GetElapsedTime(started).TotalSeconds, Error: exception.Message));
        }
    }

    private static ILoad Make(LoadRequest request, IPEndPoint server) => request.Kind == LoadKind.Tls
        ? new TlsLoop(server, request.Callers, request.Size, request.Reconnect)
        : new ClosedLoop(server, request.Callers, request.Size, request.Reconnect, datagrams: request.Kind == LoadKind.Udp);

    private static void Say(LoadResult result) => Console.WriteLine(JsonSerializer.Serialize(result));
}
