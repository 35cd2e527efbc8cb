using System.Globalization;
using Switchboard.Polling;

namespace Switchboard.Cli;

/// <summary>Values as people write them: times, sizes, counts, access modes. What can't be read throws a
/// <see cref="FormatException"/> that goes on after the setting's name and the value: "is not ...".</summary>
internal static class Values
{
    internal const string Off = "off";

    private const double MostSeconds = 1_000_000;
    private const double MostKeepAlive = 32_767;

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

    /// <summary>Reads how long a silent connection waits for the kernel's question; null for never.</summary>
    internal static TimeSpan? KeepAlive(string text) => text == Off ? null
        : Time(text) is var time && time.TotalSeconds is >= 1 and <= MostKeepAlive ? time
        : throw new FormatException($"is not a time from 1 second to {MostKeepAlive} seconds, nor {Off}.");

    internal static TimeSpan UserTimeout(string text) => Time(text) is var time && time > TimeSpan.Zero
        ? time
        : throw new FormatException("is not a time of 1 millisecond or more.");

    internal static int Count(string text, int least, int most = int.MaxValue) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most
            ? value
            : throw new FormatException($"is not a whole number from {least} to {most}.");

    /// <summary>The path of a file. Whether there is one shows when it is read.</summary>
    internal static void File(string text)
    {
        if (text.Length == 0)
        {
            throw new FormatException($"is no path. A path has one letter at least, and no '{Setting.Separator}', which separates files.");
        }
    }

    /// <summary>A user or group. Whether there is one shows when it is looked up.</summary>
    internal static void Account(string text)
    {
        try
        {
            _ = new Polling.ListenerOptions { UnixUser = text };
        }
        catch (ArgumentException)
        {
            throw new FormatException("is neither a name, nor a number from 0 to 4294967294.");
        }
    }

    /// <summary>A network, or an address.</summary>
    internal static void Network(string text)
    {
        try
        {
            Servers.ProxyProtocolOptions.From(text);
        }
        catch (FormatException exception)
        {
            throw new FormatException($"can't be believed: {exception.Message}", exception);
        }
    }

    /// <summary>Looks at a multicast group.</summary>
    internal static void Group(string text)
    {
        try
        {
            _ = new MulticastGroup(text);
        }
        catch (ArgumentException exception)
        {
            throw new FormatException($"is no multicast group: {exception.Message}", exception);
        }
    }

    /// <summary>The name of a protocol of ALPN.</summary>
    internal static void Protocol(string text)
    {
        if (text.Length is 0 or > 255)
        {
            throw new FormatException("is not the name of a protocol: it has 1 to 255 bytes (RFC 7301), redis or h2 for example.");
        }
    }

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
