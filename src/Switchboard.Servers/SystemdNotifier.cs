using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Switchboard.Linux;

namespace Switchboard.Servers;

/// <summary>Tells systemd, or whoever set NOTIFY_SOCKET, how the service is: <c>sd_notify(3)</c>. Any thread may call it. A message
/// that the manager does not take is dropped, as with systemd's own library: a service does not fail for it.</summary>
public sealed class SystemdNotifier : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly UnixDomainSocketEndPoint _manager;

    private SystemdNotifier(string path, TimeSpan? watchdog)
    {
        _manager = new UnixDomainSocketEndPoint(path[0] == '@' ? '\0' + path[1..] : path);
        Watchdog = watchdog;
    }

    /// <summary>The notifier of this process.</summary>
    /// <returns>The notifier, which the caller disposes; null where nobody listens (NOTIFY_SOCKET is not set).</returns>
    /// <exception cref="FormatException">NOTIFY_SOCKET, WATCHDOG_USEC or WATCHDOG_PID can't be read; the message says which.</exception>
    public static SystemdNotifier? FromEnvironment() => Read(Environment.GetEnvironmentVariable, Environment.ProcessId);

    internal static SystemdNotifier? Read(Func<string, string?> variable, int processId)
    {
        if (variable("NOTIFY_SOCKET") is not { Length: > 0 } path)
        {
            return null;
        }
        if (path[0] is not ('/' or '@'))
        {
            throw new FormatException($"The environment's NOTIFY_SOCKET is '{path}'. Only a path that begins with /, or an abstract name that begins with @, can be told.");
        }
        bool isMeant = variable("WATCHDOG_PID") is not { Length: > 0 } process || Number("WATCHDOG_PID", process) == processId;
        TimeSpan? watchdog = isMeant && variable("WATCHDOG_USEC") is { Length: > 0 } time && Number("WATCHDOG_USEC", time) is > 0 and var microseconds
            ? TimeSpan.FromMicroseconds(microseconds)
            : null;
        return new SystemdNotifier(path, watchdog);
    }

    /// <summary>How long the manager waits for <see cref="Alive"/> before it ends the service (WatchdogSec= of the unit);
    /// null if it does not.</summary>
    public TimeSpan? Watchdog { get; }

    /// <summary>The service has started, or is ready again after <see cref="Reloading"/>: <c>READY=1</c>.</summary>
    /// <returns>False if the manager did not take it.</returns>
    public bool Ready() => Send("READY=1");

    /// <summary>The service reads its configuration again: <c>RELOADING=1</c> with <c>MONOTONIC_USEC</c>, as Type=notify-reload
    /// asks. <see cref="Ready"/> ends it.</summary>
    /// <returns>False if the manager did not take it.</returns>
    public bool Reloading() => Send(string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={ProcessCalls.MonotonicTime().Ticks / TimeSpan.TicksPerMicrosecond}"));

    /// <summary>The service begins to stop: <c>STOPPING=1</c>.</summary>
    /// <returns>False if the manager did not take it.</returns>
    public bool Stopping() => Send("STOPPING=1");

    /// <summary>The service is alive: <c>WATCHDOG=1</c>. To be sent at half of <see cref="Watchdog"/>.</summary>
    /// <returns>False if the manager did not take it.</returns>
    public bool Alive() => Send("WATCHDOG=1");

    /// <summary>One line that <c>systemctl status</c> shows: <c>STATUS=</c>.</summary>
    /// <param name="text">The line; its line ends become blanks, for each line is a message of its own.</param>
    /// <returns>False if the manager did not take it.</returns>
    public bool Status(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Send($"STATUS={text.ReplaceLineEndings(" ")}");
    }

    /// <summary>Sends <see cref="Alive"/> at half of <see cref="Watchdog"/>, as long as the servers are responsive: a service
    /// whose loop hangs is ended by its manager and started anew. Returns at once if there is no watchdog.</summary>
    /// <param name="isAlive">Whether to send it this time; given half of the watchdog's time. What it throws ends this.</param>
    /// <param name="stop">Ends it.</param>
    /// <returns>Completes when it is stopped.</returns>
    public async Task KeepAliveAsync(Func<TimeSpan, Task<bool>> isAlive, CancellationToken stop = default)
    {
        ArgumentNullException.ThrowIfNull(isAlive);
        if (Watchdog is not { } time)
        {
            return;
        }
        TimeSpan half = TimeSpan.FromTicks(Math.Max(time.Ticks / 2, TimeSpan.TicksPerMillisecond));
        using var timer = new PeriodicTimer(half);
        try
        {
            do
            {
                if (await isAlive(half).ConfigureAwait(false))
                {
                    Alive();
                }
            }
            while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private bool Send(string message)
    {
        try
        {
            return _socket.SendTo(Encoding.UTF8.GetBytes(message), _manager) > 0;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static long Number(string variable, string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
        ? number
        : throw new FormatException($"The environment's {variable} is '{text}', which is not a number of 0 or more.");
}
