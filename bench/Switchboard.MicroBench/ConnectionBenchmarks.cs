using System.Net;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;
using Switchboard.Servers;

namespace Switchboard.MicroBench;

/// <summary>An echo of a server's connection, called over a blocking socket.</summary>
[MemoryDiagnoser]
public class ConnectionBenchmarks : IDisposable
{
    private const int Size = 64;

    private readonly byte[] _message = new byte[Size];
    private TcpServer _server = null!;
    private Socket _caller = null!;

    /// <summary>The concurrency model.</summary>
    [Params("eventloop", "threads")]
    public string Model { get; set; } = "";

    [GlobalSetup(Target = nameof(Bytes))]
    public void ServeBytes() => Serve(async (connection, stop) =>
    {
        byte[] buffer = new byte[16 * 1024];
        int count;
        while ((count = await connection.ReadAsync(buffer, stop)) > 0)
        {
            await connection.WriteAsync(buffer.AsMemory(0, count), stop);
        }
    });

    [GlobalSetup(Target = nameof(Messages))]
    public void ServeMessages() => Serve(async (connection, stop) =>
    {
        await foreach (ReadOnlyMemory<byte> message in connection.ReadMessagesAsync(Framing.Packet, stop))
        {
            await connection.WriteAsync(message, stop);
        }
    });

    /// <summary>The handler reads into a buffer of its own.</summary>
    [Benchmark]
    public int Bytes() => Echo();

    /// <summary>The handler reads messages.</summary>
    [Benchmark]
    public int Messages() => Echo();

    private int Echo()
    {
        _caller.Send(_message.AsSpan());
        return _caller.Receive(_message.AsSpan());
    }

    private void Serve(Func<Connection, CancellationToken, Task> handler)
    {
        _server = new TcpServer("127.0.0.1:0", handler, Model == "threads" ? Concurrency.Threads() : Concurrency.EventLoop());
        _server.StartAsync().GetAwaiter().GetResult();
        _caller = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        _caller.Connect((IPEndPoint)_server.LocalEndPoint!);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _caller.Dispose();
        _server.StopAsync().GetAwaiter().GetResult();
        GC.SuppressFinalize(this);
    }
}
