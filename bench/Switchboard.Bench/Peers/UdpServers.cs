using System.Net;
using System.Net.Sockets;
using Switchboard.Polling;
using Switchboard.Servers;

namespace Switchboard.Bench.Peers;

/// <summary>The echo servers of datagrams. Those in .NET run in this program.</summary>
internal static class UdpServers
{
    private const string PythonProgram = "python3";
    private const int BufferSize = 65_535;

    // Room for what the generator has under way at the most, whatever the system's default is.
    private const int ReceiveBuffer = 1024 * 1024;

    private static readonly Dictionary<string, Func<Task<int>>> _starts = new()
    {
        ["ours-eventloop"] = static () => StartOursAsync(Concurrency.EventLoop(), new()),
        ["ours-eventloop-singly"] = static () => StartOursAsync(Concurrency.EventLoop(), new() { ReceiveBatch = 1 }),
        ["ours-tasks"] = static () => StartOursAsync(Concurrency.Tasks(), new()),
        ["ours-threads"] = static () => StartOursAsync(Concurrency.Threads(), new()),
        ["dotnet-async-sockets"] = StartAsyncSocketAsync,
    };

    /// <summary>All that this machine can run; what it cannot is told on standard error.</summary>
    internal static IReadOnlyList<Server> Find()
    {
        List<Server> found = [.. _starts.Keys.Select(name => new Server(name, Managed: true, ChildProcess.Self("udp", name)))];
        if (Tools.IsInstalled(PythonProgram))
        {
            found.Add(new Server("python-selectors", Managed: false, [PythonProgram, Tools.PeerFile("udp_server.py")]));
        }
        else
        {
            Console.Error.WriteLine($"The peer in Python is left out: there is no {PythonProgram} on the path.");
        }
        if (CompiledPeer.Build("udp_echo.c") is { } program)
        {
            found.Add(new Server("c-singly", Managed: false, [program, "1"]));
            found.Add(new Server("c-recvmmsg", Managed: false, [program, "32"]));
            found.Add(new Server("c-recvmmsg-sendmmsg", Managed: false, [program, "32", "send"]));
        }
        return found;
    }

    internal static Task<int> StartAsync(string name) => _starts[name]();

    private static async Task<int> StartOursAsync(Concurrency concurrency, DatagramOptions datagrams)
    {
        UdpServer server = new("127.0.0.1:0", static (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask(), concurrency,
            new ServerOptions { Datagrams = datagrams with { ReceiveBuffer = ReceiveBuffer } });
        await server.StartAsync();
        return ((IPEndPoint)server.LocalEndPoint!).Port;
    }

    private static Task<int> StartAsyncSocketAsync()
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = ReceiveBuffer };
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _ = ServeAsync(socket);
        return Task.FromResult(((IPEndPoint)socket.LocalEndPoint!).Port);
    }

    private static async Task ServeAsync(Socket socket)
    {
        byte[] buffer = new byte[BufferSize];
        SocketAddress peer = new(AddressFamily.InterNetwork);
        while (true)
        {
            int count = await socket.ReceiveFromAsync(buffer, SocketFlags.None, peer);
            await socket.SendToAsync(buffer.AsMemory(0, count), SocketFlags.None, peer);
        }
    }
}
