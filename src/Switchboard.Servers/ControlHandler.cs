using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Switchboard.Servers;

/// <summary>Serves one peer of a control socket: a request a line, an answer a line.</summary>
internal sealed class ControlHandler(IReadOnlyDictionary<string, ControlCommand> commands) : RequestHandler
{
    /// <summary>How long a request may take, from the first wait for it until it is answered.</summary>
    internal static readonly TimeSpan RequestTime = TimeSpan.FromSeconds(10);

    private static readonly JsonDocumentOptions _form = new() { MaxDepth = 16, AllowDuplicateProperties = false };
    private static readonly JsonWriterOptions _written = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    protected override async Task HandleAsync(CancellationToken stop)
    {
        bool goesOn = true;
        while (goesOn)
        {
            using var time = CancellationTokenSource.CreateLinkedTokenSource(stop);
            time.CancelAfter(RequestTime);
            JsonObject answer;
            try
            {
                if (await Connection.ReadMessageAsync(Framing.Line, time.Token) is not { } line)
                {
                    return;
                }
                (answer, goesOn) = await AnswerAsync(line, time.Token);
            }
            catch (MessageTooLongException exception)
            {
                (answer, goesOn) = (Error(exception.Message), false);
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                (answer, goesOn) = (Error($"The request was not answered within {RequestTime.TotalSeconds} seconds, which is all that a request has."), false);
            }
            await WriteAsync(answer);
        }
    }

    /// <summary>What to answer, and whether another request may follow: who does not speak JSON is not listened to again.</summary>
    private async Task<(JsonObject Answer, bool GoesOn)> AnswerAsync(ReadOnlyMemory<byte> line, CancellationToken cancellation)
    {
        JsonObject? request;
        try
        {
            request = JsonNode.Parse(line.Span, documentOptions: _form) as JsonObject;
        }
        catch (JsonException exception)
        {
            return (Error($"This is not JSON: {exception.Message}"), false);
        }
        if (request?["command"] is not JsonValue word || !word.TryGetValue(out string? name))
        {
            return (Error($"A request is an object with a command, {{\"command\":\"{commands.Keys.FirstOrDefault()}\"}} for example."), false);
        }
        if (!commands.TryGetValue(name, out ControlCommand? command))
        {
            return (Error($"There is no command '{name}'. There are: {string.Join(", ", commands.Keys)}."), true);
        }
        try
        {
            return (await command(request, cancellation), true);
        }
        catch (ControlException exception)
        {
            return (Error(exception.Message), true);
        }
    }

    private async Task WriteAsync(JsonObject answer)
    {
        var text = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(text, _written))
        {
            answer.WriteTo(writer);
        }
        text.Write("\n"u8);
        await Connection.WriteAsync(text.WrittenMemory, CancellationToken.None);
    }

    private static JsonObject Error(string message) => new() { ["error"] = message };
}
