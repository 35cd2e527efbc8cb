using System.Globalization;
using Switchboard.Linux;

namespace Switchboard.Servers;

/// <summary>A socket that a service manager passed to this process.</summary>
/// <param name="Descriptor">Its descriptor, 3 or more.</param>
/// <param name="Name">Its name: FileDescriptorName= of the socket unit, or the unit's own; <c>unknown</c> if none was passed.</param>
public sealed record SystemdSocket(int Descriptor, string Name);

/// <summary>The sockets that systemd, or whoever speaks its protocol (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES), passed to this
/// process: <c>sd_listen_fds(3)</c>. <see cref="ServerAddress.Parse"/> gives one to a server by <c>systemd:NAME</c> or
/// <c>systemd:INDEX</c>. Any thread may use it.</summary>
public static class SystemdSockets
{
    private const int First = 3;

    private static readonly Lazy<IReadOnlyList<SystemdSocket>> _passed = new(Take);

    /// <summary>The sockets, in the order in which they were passed; none if LISTEN_PID is not this process. The first use makes
    /// them close-on-exec, and takes the variables out of the environment that .NET hands to child processes.</summary>
    /// <exception cref="FormatException">A variable can't be read; the message names it.</exception>
    /// <exception cref="BadDescriptorException">A descriptor that was announced is not open.</exception>
    public static IReadOnlyList<SystemdSocket> Passed => _passed.Value;

    /// <summary>One of the sockets.</summary>
    /// <param name="nameOrIndex">Its name, or its place from 0 on.</param>
    /// <returns>The socket.</returns>
    /// <exception cref="FormatException">There is none, or several have that name; the message says what was passed.</exception>
    public static SystemdSocket Find(string nameOrIndex) => Find(Passed, nameOrIndex);

    internal static SystemdSocket Find(IReadOnlyList<SystemdSocket> passed, string nameOrIndex)
    {
        SystemdSocket[] named = [.. passed.Where(socket => socket.Name == nameOrIndex)];
        if (named.Length == 1)
        {
            return named[0];
        }
        if (named.Length > 1)
        {
            throw new FormatException($"'systemd:{nameOrIndex}' is the name of {named.Length} sockets. Write systemd:INDEX for one of them: {Listed(passed)}. Or give each a FileDescriptorName= in a socket unit of its own.");
        }
        if (int.TryParse(nameOrIndex, NumberStyles.None, CultureInfo.InvariantCulture, out int index) && index < passed.Count)
        {
            return passed[index];
        }
        throw new FormatException(passed.Count == 0
            ? $"'systemd:{nameOrIndex}' was asked for, and no sockets were passed to this process (LISTEN_FDS, LISTEN_PID). Start it by its socket unit, or write HOST:PORT."
            : $"'systemd:{nameOrIndex}' is none of the sockets that were passed: {Listed(passed)}.");
    }

    /// <summary>Reads the variables.</summary>
    /// <param name="variable">Gives a variable of the environment, or null.</param>
    /// <param name="processId">The process that must be meant.</param>
    internal static IReadOnlyList<SystemdSocket> Read(Func<string, string?> variable, int processId)
    {
        if (variable("LISTEN_PID") is not { Length: > 0 } process || Number("LISTEN_PID", process) != processId)
        {
            return [];
        }
        int count = Number("LISTEN_FDS", variable("LISTEN_FDS") ?? "");
        if (count > ushort.MaxValue)
        {
            throw new FormatException($"LISTEN_FDS is {count}, more than the {ushort.MaxValue} sockets that are taken.");
        }
        string[] names = variable("LISTEN_FDNAMES") is { Length: > 0 } text ? text.Split(':') : [];
        return [.. Enumerable.Range(0, count).Select(index => new SystemdSocket(First + index, index < names.Length && names[index].Length > 0 ? names[index] : "unknown"))];
    }

    private static IReadOnlyList<SystemdSocket> Take()
    {
        IReadOnlyList<SystemdSocket> passed = Read(Environment.GetEnvironmentVariable, Environment.ProcessId);
        foreach (SystemdSocket socket in passed)
        {
            DescriptorCalls.SetCloseOnExec(socket.Descriptor);
        }
        foreach (string variable in (string[])["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"])
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
        return passed;
    }

    private static int Number(string variable, string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
        ? number
        : throw new FormatException($"The environment's {variable} is '{text}', which is not a number of 0 or more.");

    private static string Listed(IReadOnlyList<SystemdSocket> passed) =>
        string.Join(", ", passed.Select((socket, index) => $"{index} ({socket.Name})"));
}
