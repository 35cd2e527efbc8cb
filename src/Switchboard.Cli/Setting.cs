namespace Switchboard.Cli;

/// <summary>What kinds of address a setting is for.</summary>
[Flags]
internal enum EndpointKinds
{
    Tcp = 1,
    Unix = 2,
    Udp = 4,
    Streams = Tcp | Unix,
    Internet = Tcp | Udp,
    All = Streams | Udp,
}

/// <summary>One thing that can be set: <c>--NAME</c> on the command line, <c>"NAME"</c> in the configuration file, and NAME in what
/// <c>status</c> tells.</summary>
/// <param name="Name">The name, without dashes in front.</param>
/// <param name="Form">What a value looks like, for help.</param>
/// <param name="Standard">The default; null for off.</param>
/// <param name="Help">What it is for.</param>
/// <param name="Check">Throws a <see cref="FormatException"/> if a value can't be read; of a list it is given each element.</param>
internal sealed partial record Setting(string Name, string Form, string? Standard, string Help, Action<string> Check)
{
    /// <summary>Stands between the elements of a list.</summary>
    internal const char Separator = ',';

    /// <summary>True if it is one for the whole program, false if each endpoint may have its own.</summary>
    internal bool OfProgram { get; init; }

    /// <summary>True if the value is a list: <c>a,b</c>, the option again for each, or a list in the file.</summary>
    internal bool IsList { get; init; }

    /// <summary>The model that it is for; null for all.</summary>
    internal string? Model { get; init; }

    /// <summary>The handler that it is for; null for all.</summary>
    internal string? Handler { get; init; }

    /// <summary>The kinds of address that it is for.</summary>
    internal EndpointKinds Kinds { get; init; } = EndpointKinds.All;

    /// <summary>The setting without which it means nothing; null for none.</summary>
    internal string? Needs { get; init; }

    internal static Setting? Find(string name) => Array.Find(All, setting => setting.Name == name);

    internal static string[] Elements(string value) => value.Split(Separator);

    /// <summary>Throws a <see cref="FormatException"/> if a value can't be read, that goes on after the name and the value.</summary>
    internal void CheckAll(string value)
    {
        foreach (string element in IsList ? Elements(value) : [value])
        {
            Check(element);
        }
    }

    /// <summary>Why it means nothing at an endpoint, to be read after its name; null if it does.</summary>
    /// <param name="endpoint">Where.</param>
    /// <param name="dashes">What stands before the names of settings.</param>
    internal string? Misfit(EndpointPlan endpoint, string dashes)
    {
        string model = endpoint.Effective("model")!;
        return this switch
        {
            { Model: { } its } when its != model => $"is for {dashes}model {its}, not for {dashes}model {model}.",
            { Name: "when-full" } when model != Threads && !endpoint.Settings.ContainsKey("max-connections") =>
                $"is for {dashes}model {Threads} or {dashes}max-connections, not for {dashes}model {model}.",
            { Handler: { } its } when its != endpoint.Handler => $"is for the handler {its}, not for {endpoint.Handler}.",
            _ when (Kinds & endpoint.Kinds) == 0 => $"is not for {endpoint.Bind}: it is for {Words(Kinds)}.",
            { Needs: { } needs } when endpoint.Effective(needs) is null => $"means nothing without {dashes}{needs}.",
            _ => null,
        };
    }

    /// <summary>True if it holds at an endpoint, set there or not.</summary>
    internal bool IsFor(EndpointPlan endpoint) => Name == "when-full" || Misfit(endpoint, "") is null;

    private static string Words(EndpointKinds kinds) => kinds switch
    {
        EndpointKinds.Streams => "TCP and Unix sockets",
        EndpointKinds.Unix => "Unix sockets",
        EndpointKinds.Tcp => "TCP",
        EndpointKinds.Udp => "UDP",
        _ => "TCP and UDP",
    };
}
