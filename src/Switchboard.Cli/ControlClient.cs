using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Switchboard.Linux;

namespace Switchboard.Cli;

/// <summary>A program that serves, asked over its control socket.</summary>
internal sealed class ControlClient : IDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(20);

    private readonly string _path;
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private NetworkStream? _stream;
    private StreamReader? _reader;

    private ControlClient(string path) => _path = path;

    /// <summary>The program's process; 0 if it is not seen from here.</summary>
    internal int ProcessId { get; private set; }

    /// <exception cref="CommandException">Nobody answers.</exception>
    internal static async Task<ControlClient> ConnectAsync(string path)
    {
        var client = new ControlClient(path);
        try
        {
            using var time = new CancellationTokenSource(_patience);
            await client._socket.ConnectAsync(new UnixDomainSocketEndPoint(path), time.Token);
            client._stream = new NetworkStream(client._socket);
            client._reader = new StreamReader(client._stream);
            client.ProcessId = SocketCalls.PeerCredentials((int)client._socket.Handle, out PeerCredentials peer).Succeeded ? peer.ProcessId : 0;
            return client;
        }
        catch (Exception exception)
        {
            client.Dispose();
            throw client.Told(exception) ?? exception;
        }
    }

    /// <summary>Asks one thing.</summary>
    /// <exception cref="CommandException">Nobody answers, or the answer is an error.</exception>
    internal async Task<JsonObject> AskAsync(JsonObject request) =>
        await TryAskAsync(request) ?? throw TurnedAway();

    /// <summary>Why the program has closed the connection, if it has not ended.</summary>
    internal CommandException TurnedAway() => new($"The control socket {_path} turned us away: only root and the user of the program may ask.");

    /// <summary>Asks one thing; null if the program closes the connection instead.</summary>
    /// <exception cref="CommandException">Nobody answers, or the answer is an error.</exception>
    internal async Task<JsonObject?> TryAskAsync(JsonObject request)
    {
        string? line;
        try
        {
            using var time = new CancellationTokenSource(_patience);
            await _stream!.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(request), time.Token);
            await _stream.WriteAsync("\n"u8.ToArray(), time.Token);
            line = await _reader!.ReadLineAsync(time.Token);
        }
        catch (IOException)
        {
            return null;
        }
        catch (Exception exception) when (Told(exception) is { } told)
        {
            throw told;
        }
        if (line is null)
        {
            return null;
        }
        JsonObject? answer;
        try
        {
            answer = JsonNode.Parse(line) as JsonObject;
        }
        catch (JsonException)
        {
            answer = null;
        }
        return answer is null ? throw new CommandException($"What answers on {_path} is no control socket.")
            : answer["error"] is { } error ? throw new CommandException(error.ToString())
            : answer;
    }

    public void Dispose()
    {
        _reader?.Dispose();
        _stream?.Dispose();
        _socket.Dispose();
    }

    private CommandException? Told(Exception exception) => exception switch
    {
        SocketException or IOException or ArgumentException => new CommandException($"Nobody answers on the control socket {_path}: {exception.Message}. Does the program run, as this user?", exception),
        OperationCanceledException => new CommandException($"The control socket {_path} did not answer within {_patience.TotalSeconds} seconds.", exception),
        _ => null,
    };
}
