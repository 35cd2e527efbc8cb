using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Switchboard.Cli;

/// <summary>Asks one thing over a control socket.</summary>
internal static class ControlClient
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(20);

    /// <exception cref="CommandException">Nobody answers, or the answer is an error.</exception>
    internal static async Task<JsonObject> AskAsync(string path, JsonObject request)
    {
        using var time = new CancellationTokenSource(_patience);
        string? line;
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), time.Token);
            await using var stream = new NetworkStream(socket);
            await stream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(request), time.Token);
            await stream.WriteAsync("\n"u8.ToArray(), time.Token);
            using var reader = new StreamReader(stream);
            line = await reader.ReadLineAsync(time.Token);
        }
        catch (Exception exception) when (exception is SocketException or IOException or ArgumentException)
        {
            throw new CommandException($"Nobody answers on the control socket {path}: {exception.Message}. Does the program run, as this user?", exception);
        }
        catch (OperationCanceledException exception)
        {
            throw new CommandException($"The control socket {path} did not answer within {_patience.TotalSeconds} seconds.", exception);
        }
        if (line is null)
        {
            throw new CommandException($"The control socket {path} turned us away: only root and the user of the program may ask.");
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
        return answer is null ? throw new CommandException($"What answers on {path} is no control socket.")
            : answer["error"] is { } error ? throw new CommandException(error.ToString())
            : answer;
    }
}
