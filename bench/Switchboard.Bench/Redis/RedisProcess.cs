using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Switchboard.Linux;

namespace Switchboard.Bench.Redis;

/// <summary>A server that speaks the protocol of Redis, kept on one processor. It has no standard input to end with, so a
/// shell watches ours and ends it.</summary>
internal sealed class RedisProcess : IDisposable
{
    // The first line is the server's process; the shell then waits for the end of its own standard input.
    private const string Watch = """
        "$@" </dev/null >/dev/null & server=$!; echo $server; cat >/dev/null; kill -KILL $server 2>/dev/null
        """;

    private static readonly TimeSpan _longestStart = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan _look = TimeSpan.FromMilliseconds(20);

    private readonly ChildProcess _shell;
    private readonly int _id;

    private RedisProcess(ChildProcess shell, string name, int id, int port) => (_shell, Name, _id, Port) = (shell, name, id, port);

    internal string Name { get; }

    internal int Port { get; }

    /// <summary>The processor time that it has used so far, in all its threads.</summary>
    internal TimeSpan ProcessorTime => ProcessCalls.ProcessorTime(_id);

    /// <summary>Starts a server and waits until it answers PING.</summary>
    /// <param name="name">What messages call it.</param>
    /// <param name="command">What starts it on a port of 127.0.0.1.</param>
    /// <param name="cores">Where to keep it.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <exception cref="BenchException">It ended, or did not answer.</exception>
    internal static async Task<RedisProcess> StartAsync(string name, Func<int, IReadOnlyList<string>> command, Cores cores, CancellationToken stop)
    {
        int port = FreePort();
        ChildProcess shell = ChildProcess.Start(name, ["sh", "-c", Watch, "sh", .. command(port)], cores.Server);
        try
        {
            RedisProcess process = new(shell, name, int.Parse(await shell.HearAsync(stop), CultureInfo.InvariantCulture), port);
            long started = Stopwatch.GetTimestamp();
            while (!await process.AnswersAsync(stop))
            {
                if (process.HasEnded || Stopwatch.GetElapsedTime(started) > _longestStart)
                {
                    throw new BenchException($"{name} {(process.HasEnded ? "ended" : "answered no PING")} after it was started with '{string.Join(' ', command(port))}'; what it wrote to standard error says why.");
                }
                await Task.Delay(_look, stop);
            }
            return process;
        }
        catch
        {
            shell.Dispose();
            throw;
        }
    }

    // It is the shell's child, and stays a zombie until the shell ends.
    private bool HasEnded =>
        !File.Exists($"/proc/{_id}/status") || File.ReadLines($"/proc/{_id}/status").Any(line => line.StartsWith("State:\tZ", StringComparison.Ordinal));

    private async Task<bool> AnswersAsync(CancellationToken stop)
    {
        try
        {
            using TcpClient client = new();
            await client.ConnectAsync(IPAddress.Loopback, Port, stop);
            await client.GetStream().WriteAsync("*1\r\n$4\r\nPING\r\n"u8.ToArray(), stop);
            using StreamReader reader = new(client.GetStream(), Encoding.ASCII);
            return await reader.ReadLineAsync(stop) == "+PONG";
        }
        catch (Exception exception) when (exception is SocketException or IOException)
        {
            return false;
        }
    }

    // redis-server takes port 0 to mean none, so a free one is looked for; nobody else is likely to take it meanwhile.
    private static int FreePort()
    {
        using Socket socket = ServerVerb.Listen();
        return ServerVerb.PortOf(socket);
    }

    public void Dispose() => _shell.Dispose();
}
