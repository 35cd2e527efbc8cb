using System.Globalization;

namespace Switchboard.Bench;

/// <summary>What the command line asks for.</summary>
internal sealed record BenchOptions
{
    private const int UsualSize = 64;

    internal const string Help = """
        Options:
          --rounds N        measured rounds; results are medians over them (5)
          --seconds S       how long a round calls one server (1)
          --connections N   callers at once (64 for echo, tls and udp, 16 for connect, gateway and handshakes, 5,000 for idle, 50 for redis)
          --size BYTES      bytes in a request (64; 65,536 for gateway), or in a value (3 for redis)
          --peers A,B       only these peers
          --ours A,B        only these of ours
        """;

    internal string? Suite { get; private init; }

    internal int Rounds { get; private init; } = 5;

    internal double Seconds { get; private init; } = 1;

    internal int? Connections { get; private init; }

    internal int? Size { get; private init; }

    /// <summary>Bytes in an echo.</summary>
    internal int EchoSize => Size ?? UsualSize;

    internal IReadOnlyList<string>? Peers { get; private init; }

    internal IReadOnlyList<string>? Ours { get; private init; }

    /// <exception cref="BenchException">An option is not known, or its value is not valid.</exception>
    internal static BenchOptions Parse(string[] arguments)
    {
        BenchOptions options = new();
        for (int i = 0; i < arguments.Length; i++)
        {
            string name = arguments[i];
            if (!name.StartsWith('-'))
            {
                options = options.Suite is null ? options with { Suite = name } : throw new BenchException($"One suite at a time: '{options.Suite}' or '{name}'.");
                continue;
            }
            string value = ++i < arguments.Length ? arguments[i] : throw new BenchException($"{name} needs a value.\n{Help}");
            options = name switch
            {
                "--rounds" => options with { Rounds = Whole(name, value) },
                "--seconds" => options with { Seconds = SecondsOf(name, value) },
                "--connections" => options with { Connections = Whole(name, value) },
                "--size" => options with { Size = Whole(name, value) },
                "--peers" => options with { Peers = value.Split(',', StringSplitOptions.RemoveEmptyEntries) },
                "--ours" => options with { Ours = value.Split(',', StringSplitOptions.RemoveEmptyEntries) },
                _ => throw new BenchException($"There is no option {name}.\n{Help}"),
            };
        }
        return options;
    }

    private static int Whole(string name, string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0
            ? number
            : throw new BenchException($"{name} takes a whole number of 1 or more, not '{value}'.");

    private static double SecondsOf(string name, string value) =>
        double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number > 0
            ? number
            : throw new BenchException($"{name} takes a number of seconds above 0, such as 0.5, not '{value}'.");
}
