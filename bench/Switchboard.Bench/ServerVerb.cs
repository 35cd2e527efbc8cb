using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Switchboard.Bench.Peers;

namespace Switchboard.Bench;

/// <summary>The side of this program that is measured: <c>server NAME</c> runs one of the .NET servers.</summary>
internal static class ServerVerb
{
    /// <summary>The line that asks for a <see cref="ManagedUse"/>; the answer is a line of JSON.</summary>
    internal const string UseQuestion = "use";

    /// <summary>The line that asks for the same after a full collection.</summary>
    internal const string CollectQuestion = "collect";

    internal const int Backlog = 1024;

    /// <summary>Our event loop with all limits, measured by somebody.</summary>
    internal const string Watched = "eventloop-watched";

    /// <summary>Our event loop without limits, measured by nobody.</summary>
    internal const string Plain = "eventloop-plain";

    /// <summary>What servers that have a limit on callers set it to.</summary>
    internal const int MostCallers = 1_000_000;

    /// <summary>Servers that suites do not compare with peers.</summary>
    private static readonly Dictionary<string, Func<Task<int>>> _variants = new()
    {
        [Watched] = OurServer.StartEventLoopWatchedAsync,
        [Plain] = OurServer.StartEventLoopPlainAsync,
    };

    private static readonly Dictionary<string, Func<Task<int>>> _starts = new()
    {
        ["ours-eventloop"] = OurServer.StartEventLoopAsync,
        ["ours-tasks"] = OurServer.StartTasksAsync,
        ["ours-threads"] = OurServer.StartThreadsAsync,
        ["ours-threads-blocking"] = OurServer.StartThreadsBlockingAsync,
        ["kestrel"] = KestrelServer.StartAsync,
        ["dotnet-async-sockets"] = AsyncSocketsServer.StartAsync,
        ["dotnet-blocking-threads"] = BlockingThreadsServer.StartAsync,
    };

    internal static IEnumerable<string> Names => _starts.Keys;

    internal static Task<int> RunAsync(string name) => RunAsync(_starts.GetValueOrDefault(name) ?? _variants[name]);

    /// <summary>Starts a server, writes its port, and answers questions until standard input ends.</summary>
    internal static async Task<int> RunAsync(Func<Task<int>> start)
    {
        Console.WriteLine(await start());
        while (Console.ReadLine() is { } line)
        {
            if (line == CollectQuestion)
            {
                Collect();
            }
            if (line is UseQuestion or CollectQuestion)
            {
                Console.WriteLine(JsonSerializer.Serialize(ManagedUse.OfThisProcess()));
            }
        }
        // Callers that are still there would keep their threads, and with them the process.
        Environment.Exit(0);
        return 0;
    }

    // Again as long as finalizers let go of more. Aggressive collections give the memory back to the system.
    private static void Collect()
    {
        const int MostTimes = 10;
        const long Little = 64 * 1024;
        long before = long.MaxValue;
        long after = ManagedUse.HeapBytesOfThisProcess();
        for (int time = 0; time < MostTimes && (time < 2 || before - after > Little); time++)
        {
            before = after;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
            after = ManagedUse.HeapBytesOfThisProcess();
        }
    }

    internal static Socket Listen()
    {
        Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(Backlog);
        return listener;
    }

    internal static int PortOf(Socket listener) => ((IPEndPoint)listener.LocalEndPoint!).Port;
}
