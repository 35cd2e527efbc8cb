using Microsoft.Extensions.Logging;

namespace Switchboard.Hosting;

/// <summary>Every log record of this project, with its level.</summary>
internal static partial class Log
{
    [LoggerMessage(200, LogLevel.Critical, "The server of endpoint {Endpoint} failed, so the host stops (SwitchboardOptions.WhenServerFails).")]
    internal static partial void HostStops(ILogger logger, string endpoint, Exception exception);

    [LoggerMessage(201, LogLevel.Error, "The server of endpoint {Endpoint} failed; the host goes on without it (SwitchboardOptions.WhenServerFails).")]
    internal static partial void ServerFailed(ILogger logger, string endpoint, Exception exception);

    [LoggerMessage(202, LogLevel.Warning, "The shutdown time of the host is over: the calls that still run are ended.")]
    internal static partial void ShutdownTimeOver(ILogger logger);

    [LoggerMessage(203, LogLevel.Warning, "Endpoint {Endpoint} did not respond within {Time}, so the service manager's watchdog is not told this time that the program is alive.")]
    internal static partial void WatchdogStarved(ILogger logger, string endpoint, TimeSpan time);
}
