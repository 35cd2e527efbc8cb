using System.Text.Json;
using System.Text.Json.Nodes;

namespace Switchboard.Cli;

/// <summary>What a configuration file says. Its keys are the options' names without dashes; those at the top hold for all
/// endpoints, those of an endpoint for that one.</summary>
/// <param name="Top">What was set at the top, <c>handler</c> too.</param>
/// <param name="Endpoints">What was set for each endpoint, <c>bind</c> and <c>handler</c> too.</param>
internal sealed record ConfigurationFile(Dictionary<string, string> Top, List<Dictionary<string, string>> Endpoints)
{
    internal const string Bind = "bind";
    internal const string Handler = "handler";
    private const string EndpointsKey = "endpoints";

    private static readonly JsonDocumentOptions _form = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, AllowDuplicateProperties = false, MaxDepth = 16 };

    /// <summary>Reads a file.</summary>
    /// <exception cref="MisuseException">It can't be read, or something in it is wrong; the message names the file, the key, the
    /// value, and what is allowed.</exception>
    internal static ConfigurationFile Read(string path)
    {
        JsonNode? root;
        try
        {
            root = JsonNode.Parse(File.ReadAllText(path), documentOptions: _form);
        }
        catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new MisuseException($"--config {path} can't be read: {exception.Message}");
        }
        JsonObject top = root as JsonObject ?? throw new MisuseException($"{path}: the file must hold an object.");
        var endpoints = new List<Dictionary<string, string>>();
        if (top[EndpointsKey] is { } list)
        {
            JsonArray rows = list as JsonArray ?? throw new MisuseException($"{path}: {EndpointsKey} must be a list of objects.");
            for (int i = 0; i < rows.Count; i++)
            {
                string where = $"{EndpointsKey}[{i}]";
                JsonObject row = rows[i] as JsonObject ?? throw new MisuseException($"{path}: {where} must be an object.");
                Dictionary<string, string> settings = Settings(path, where + ".", row, static setting => !setting.OfProgram, Bind, Handler);
                if (!settings.ContainsKey(Bind))
                {
                    throw new MisuseException($"{path}: {where} has no {Bind}. Write where it listens: \"{Bind}\": \"127.0.0.1:8009\".");
                }
                endpoints.Add(settings);
            }
            top.Remove(EndpointsKey);
        }
        return new ConfigurationFile(Settings(path, "", top, static _ => true, Handler), endpoints);
    }

    private static Dictionary<string, string> Settings(string path, string where, JsonObject from, Predicate<Setting> isAllowed, params string[] others)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach ((string key, JsonNode? node) in from)
        {
            Setting? setting = Setting.Find(key) is { } named && isAllowed(named) ? named : null;
            if (setting is null && !others.Contains(key))
            {
                IEnumerable<string> allowed = others.Concat(where.Length == 0 ? [EndpointsKey] : []).Concat(Setting.All.Where(one => isAllowed(one)).Select(static one => one.Name));
                throw new MisuseException($"{path}: there is no key {where}{key}. Allowed are {string.Join(", ", allowed)}.");
            }
            string value = Text(node, isList: setting is { IsList: true })
                ?? throw new MisuseException($"{path}: {where}{key} must be a text, a number, true or false{(setting is { IsList: true } ? ", or a list of texts" : "")}.");
            try
            {
                setting?.CheckAll(value);
                if (key == Bind)
                {
                    EndpointAddress.Check(value);
                }
            }
            catch (FormatException exception)
            {
                throw new MisuseException(key == Bind ? $"{path}: {where}{key}: {exception.Message}" : $"{path}: {where}{key} '{value}' {exception.Message}");
            }
            found[key] = value;
        }
        return found;
    }

    /// <summary>A value as it stands on the command line; null for what is none.</summary>
    private static string? Text(JsonNode? node, bool isList) => node switch
    {
        JsonArray { Count: > 0 } list when isList => list.Select(static element => element is JsonValue ? Text(element, isList: false) : null).ToArray() is var texts && texts.Contains(null)
            ? null
            : string.Join(Setting.Separator, texts),
        JsonValue value => value.GetValueKind() switch
        {
            JsonValueKind.String or JsonValueKind.Number => value.ToString(),
            JsonValueKind.True => "true",
            JsonValueKind.False => "false",
            _ => null,
        },
        _ => null,
    };
}
