using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Switchboard.Cli;

/// <summary>All that is to be served: the command line over the configuration file over the defaults.</summary>
/// <param name="Endpoints">Where, with what holds there.</param>
/// <param name="Program">What was set for the whole program.</param>
/// <param name="File">The configuration file; null for none.</param>
internal sealed record ServePlan(IReadOnlyList<EndpointPlan> Endpoints, IReadOnlyDictionary<string, string> Program, string? File)
{
    internal const string StandardBind = "127.0.0.1:8009";

    private static readonly JsonSerializerOptions _written = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal string? Effective(string name) => Program.TryGetValue(name, out string? value) ? value : Setting.Find(name)!.Standard;

    /// <summary>The files that are read at the start and never again.</summary>
    internal IEnumerable<string> FilesReadOnce => Endpoints
        .SelectMany(static endpoint => (IEnumerable<string?>)[endpoint.Of("tls-client-ca"), endpoint.Of("to-ca"), endpoint.Of("tls-password") is { } place ? TlsPassword.File(place) : null])
        .Prepend(File).OfType<string>().Distinct(StringComparer.Ordinal);

    /// <exception cref="MisuseException">The words or the file are wrong.</exception>
    internal static ServePlan Of(string? what, string[] binds, Dictionary<string, string> given, string? file)
    {
        ConfigurationFile? config = file is null ? null : ConfigurationFile.Read(file);
        if (binds.Length > 0 && config is { Endpoints.Count: > 0 })
        {
            throw new MisuseException($"--bind can't be given beside the endpoints of {file}: add an endpoint there.");
        }
        List<Dictionary<string, string>> rows = config is { Endpoints.Count: > 0 }
            ? config.Endpoints
            : [.. (binds.Length > 0 ? binds : [StandardBind]).Select(static bind => new Dictionary<string, string> { [ConfigurationFile.Bind] = bind })];
        var endpoints = new List<EndpointPlan>();
        foreach (Dictionary<string, string> row in rows)
        {
            string bind = row[ConfigurationFile.Bind];
            string handler = what ?? row.GetValueOrDefault(ConfigurationFile.Handler) ?? config?.Top.GetValueOrDefault(ConfigurationFile.Handler)
                ?? throw new MisuseException(file is null ? "Required argument 'what' missing for command: 'serve'." : $"{file} does not say what is served at {bind}. Write a handler there: \"{ConfigurationFile.Handler}\": \"echo\".");
            var settings = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach ((string name, string value) in (config?.Top ?? []).Concat(row).Concat(given))
            {
                if (Setting.Find(name) is { OfProgram: false })
                {
                    settings[name] = value;
                }
            }
            var endpoint = new EndpointPlan(bind, handler, settings);
            endpoints.Add(endpoint);
            Refuse(row, [endpoint], $"{file}: {bind}: ", "");
        }
        Refuse(config?.Top ?? [], endpoints, $"{file}: ", "");
        Refuse(given, endpoints, "", "--");
        Dictionary<string, string> program = (config?.Top ?? []).Concat(given).Where(static row => Setting.Find(row.Key) is { OfProgram: true })
            .GroupBy(static row => row.Key).ToDictionary(static rows => rows.Key, static rows => rows.Last().Value, StringComparer.Ordinal);
        foreach (Setting setting in Setting.All)
        {
            if (setting is { OfProgram: true, Needs: { } needs } && program.ContainsKey(setting.Name) && !program.ContainsKey(needs))
            {
                throw new MisuseException($"--{setting.Name} means nothing without --{needs}.");
            }
        }
        return new ServePlan(endpoints, program, file);
    }

    /// <summary>What would hold, as a configuration file.</summary>
    public override string ToString()
    {
        var root = new JsonObject();
        foreach (Setting setting in Setting.All.Where(static setting => setting.OfProgram))
        {
            if (Effective(setting.Name) is { } value)
            {
                root[setting.Name] = value;
            }
        }
        var list = new JsonArray();
        foreach (EndpointPlan endpoint in Endpoints)
        {
            var row = new JsonObject { [ConfigurationFile.Bind] = endpoint.Bind, [ConfigurationFile.Handler] = endpoint.Handler };
            foreach ((string name, string value) in endpoint.EffectiveSettings)
            {
                row[name] = value;
            }
            list.Add((JsonNode)row);
        }
        root["endpoints"] = list;
        return root.ToJsonString(_written);
    }

    /// <summary>Refuses what was set and fits nowhere. What holds for all may be meant for some; but where it fits none, it is a
    /// mistake.</summary>
    private static void Refuse(Dictionary<string, string> set, List<EndpointPlan> endpoints, string before, string dashes)
    {
        foreach (Setting setting in Setting.All.Where(setting => !setting.OfProgram && set.ContainsKey(setting.Name)))
        {
            string?[] reasons = [.. endpoints.Select(endpoint => setting.Misfit(endpoint, dashes))];
            if (!reasons.Contains(null))
            {
                throw new MisuseException($"{before}{dashes}{setting.Name} {reasons[0]}");
            }
        }
    }
}
