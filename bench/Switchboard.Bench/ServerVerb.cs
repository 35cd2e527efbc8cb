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

    internal const int Backlog = 1024;

    private static readonly Dictionary<string, Func<Task<int>>> _starts = new()
    {
        ["ours-eventloop"] = OurServer.StartEventLoopAsync,
        ["ours-threads"] = OurServer.StartThreadsAsync,
        ["ours-threads-blocking"] = OurServer.StartThreadsBlockingAsync,
        ["kestrel"] = KestrelServer.StartAsync,
        ["dotnet-async-sockets"] = AsyncSocketsServer.StartAsync,
        ["dotnet-blocking-threads"] = BlockingThreadsServer.StartAsync,
    };

    internal static IEnumerable<string> Names => _starts.Keys;

    internal static async Task<int> RunAsync(string name)
    {
        Console.WriteLine(await _starts[name]());
        while (Console.ReadLine() is { } line)
        {
            if (line == UseQuestion)
            {
                Console.WriteLine(JsonSerializer.Serialize(ManagedUse.OfThisProcess()));
            }
        }
        // Callers that are still there would keep their threads, and with them the process.
        Environment.Exit(0);
        return 0;
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
