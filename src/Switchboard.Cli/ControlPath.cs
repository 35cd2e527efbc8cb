using System.Globalization;
using System.Net.Sockets;
using Switchboard.Linux;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Where control sockets are.</summary>
internal static class ControlPath
{
    internal const string None = "none";
    private const string Extension = ".sock";
    private static readonly TimeSpan _startTime = TimeSpan.FromSeconds(10);

    /// <summary>The folder of this user's control sockets; null if there is none.</summary>
    internal static string? Folder => Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } runtime ? Path.Combine(runtime, "switchboard")
        : ProcessCalls.EffectiveUser() == 0 ? "/run/switchboard"
        : null;

    /// <summary>The control sockets that are in the folder, of programs that have ended too.</summary>
    internal static string[] Files => Folder is { } folder && Directory.Exists(folder) ? [.. Directory.GetFiles(folder, "*" + Extension).Order(StringComparer.Ordinal)] : [];

    /// <summary>The control sockets of programs that run.</summary>
    internal static IEnumerable<string> Live => Files.Where(static path => Knock(path) is null or SocketError.WouldBlock);

    /// <summary>Removes the control sockets that killed programs have left.</summary>
    internal static void RemoveDead()
    {
        foreach (string path in Files)
        {
            // A program that starts has made its file a moment before it listens.
            if (TimeProvider.System.GetUtcNow() - File.GetLastWriteTimeUtc(path) > _startTime && Knock(path) == SocketError.ConnectionRefused)
            {
                File.Delete(path);
            }
        }
    }

    internal static string? Of(string name) => Folder is { } folder ? Path.Combine(folder, name + Extension) : null;

    internal static string? OfThis(string? name) => Of(name ?? Environment.ProcessId.ToString(CultureInfo.InvariantCulture));

    /// <summary>Null if a program listens there.</summary>
    private static SocketError? Knock(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return null;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }

    internal static void CheckName(string text)
    {
        if (text.Length is 0 or > 40 || !text.All(static letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_'))
        {
            throw new FormatException("is not a name: write up to 40 letters, digits, - and _.");
        }
    }

    internal static void Check(string text)
    {
        if (text == None)
        {
            return;
        }
        if (!Path.IsPathRooted(text))
        {
            throw new FormatException($"is not a path from the root, nor {None}.");
        }
        ServerAddress.Parse("unix:" + text);
    }
}
