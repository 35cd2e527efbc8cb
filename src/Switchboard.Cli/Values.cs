using System.Globalization;

namespace Switchboard.Cli;

/// <summary>Values as people write them: times, sizes, counts, access modes. What can't be read throws a
/// <see cref="FormatException"/> that goes on after the setting's name and the value: "is not ...".</summary>
internal static class Values
{
    internal const string Off = "off";

    private const double MostSeconds = 1_000_000;

    private static readonly (string Unit, double Seconds)[] _times = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)];
    private static readonly (string Unit, long Bytes)[] _sizes = [("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("B", 1)];

    /// <summary>Reads a time that a setting may switch off.</summary>
    internal static TimeSpan Limit(string text) => text == Off || Time(text) is var time && time == TimeSpan.Zero ? Timeout.InfiniteTimeSpan : Time(text);

    /// <summary>Reads a time.</summary>
    internal static TimeSpan Time(string text)
    {
        (string number, double factor) = (text, 1);
        foreach ((string unit, double seconds) in _times)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal))
            {
                (number, factor) = (text[..^unit.Length], seconds);
                break;
            }
        }
        return double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value) && value * factor <= MostSeconds
            ? TimeSpan.FromSeconds(value * factor)
            : throw new FormatException($"is not a time from 0 to {MostSeconds} seconds: write 500ms, 30s, 5m, 2h or a number of seconds.");
    }

    /// <summary>Reads a size in bytes.</summary>
    internal static int Size(string text)
    {
        (string number, long factor) = (text, 1);
        foreach ((string unit, long bytes) in _sizes)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal))
            {
                (number, factor) = (text[..^unit.Length], bytes);
                break;
            }
        }
        return int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= 1 && value * factor <= int.MaxValue
            ? (int)(value * factor)
            : throw new FormatException($"is not a size from 1 to {int.MaxValue} bytes: write 512, 64KiB, 1MiB or 1GiB.");
    }

    internal static int Count(string text, int least) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= least
            ? value
            : throw new FormatException($"is not a whole number from {least} to {int.MaxValue}.");

    internal static UnixFileMode Mode(string text) =>
        text.Length is 3 or 4 && text.All(digit => digit is >= '0' and <= '7') && Convert.ToInt32(text, 8) is var mode and <= 0x1FF
            ? (UnixFileMode)mode
            : throw new FormatException("is not an access mode in octal digits from 000 to 777.");

    internal static bool Switch(string text) => text switch
    {
        "true" => true,
        "false" => false,
        _ => throw new FormatException("is neither true nor false."),
    };

    internal static string Word(string text, string[] words) =>
        words.Contains(text) ? text : throw new FormatException($"is none of {string.Join(", ", words)}.");
}
