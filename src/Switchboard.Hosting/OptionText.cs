using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.RegularExpressions;
using Switchboard.Polling;
using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>Values of options as text. What can't be read throws a <see cref="FormatException"/> with a sentence that says what
/// can.</summary>
internal static partial class OptionText
{
    /// <summary>Switches a limit off.</summary>
    internal const string Off = "off";

    /// <summary>How to read what is not an enumeration, by its type.</summary>
    internal static IReadOnlyDictionary<Type, Func<string, object>> Readers { get; } = new Dictionary<Type, Func<string, object>>
    {
        [typeof(string)] = static text => text,
        [typeof(bool)] = static text => bool.TryParse(text, out bool value) ? value : throw new FormatException("Write true or false."),
        [typeof(int)] = static text => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) ? value : throw new FormatException($"Write a whole number, at most {int.MaxValue}."),
        [typeof(TimeSpan)] = static text => Time(text),
        [typeof(UnixFileMode)] = static text => Mode(text),
        [typeof(ServerAddress)] = static text => ServerAddress.Parse(text),
        [typeof(IPNetwork)] = static text => ProxyProtocolOptions.From(text).Trusted[0],
        [typeof(MulticastGroup)] = static text => new MulticastGroup(text),
        [typeof(ReadOnlyMemory<byte>)] = static text => new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(text)),
        [typeof(X509Certificate2Collection)] = static text => Authorities(text),
    };

    /// <summary>Reads a time as .NET writes it. A bare number would be days, which nobody means.</summary>
    private static TimeSpan Time(string text) =>
        text.Equals(Off, StringComparison.OrdinalIgnoreCase) ? Timeout.InfiniteTimeSpan
        : text.Contains(':', StringComparison.Ordinal) && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out TimeSpan time) ? time
        : throw new FormatException($"Write a time as hours, minutes and seconds, 00:00:30 for half a minute and 00:00:00.5 for half a second, or {Off} for none.");

    private static UnixFileMode Mode(string text) =>
        text.Length is 3 or 4 && text.All(static digit => digit is >= '0' and <= '7') && Convert.ToInt32(text, 8) is var mode and <= 0x1FF
            ? (UnixFileMode)mode
            : throw new FormatException("Write an access mode in octal digits, from 000 to 777.");

    private static X509Certificate2Collection Authorities(string file)
    {
        var found = new X509Certificate2Collection();
        found.ImportFromPemFile(file);
        return found.Count > 0 ? found : throw new FormatException("The file holds no certificate in PEM.");
    }

    /// <summary>Reads a model as <see cref="Concurrency"/> writes it.</summary>
    internal static Concurrency Concurrency(string text)
    {
        Match match = Model().Match(text);
        int? count = match.Groups[2] is { Success: true } digits ? int.Parse(digits.ValueSpan, CultureInfo.InvariantCulture) : null;
        return (match.Groups[1].Value.ToUpperInvariant(), count) switch
        {
            ("SEQUENTIAL", null) => Servers.Concurrency.Sequential(),
            ("TASKS", null) => Servers.Concurrency.Tasks(),
            ("THREADS", null) => Servers.Concurrency.Threads(),
            ("THREADS", >= 1 and int limit) => Servers.Concurrency.Threads(limit),
            ("EVENTLOOP", null) => Servers.Concurrency.EventLoop(),
            ("EVENTLOOP", int loops) => Servers.Concurrency.EventLoop(loops),
            _ => throw new FormatException("Write Threads(N) with N calls at once from 1 on, EventLoop(N) with N loops (0 for one a processor), Tasks() or Sequential(); N may be left out."),
        };
    }

    [GeneratedRegex(@"^([a-z]+)(?:\((\d{1,9})?\))?$", RegexOptions.IgnoreCase)]
    private static partial Regex Model();
}
