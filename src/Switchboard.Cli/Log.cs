using Microsoft.Extensions.Logging;

namespace Switchboard.Cli;

/// <summary>Every log record of this project, with its level.</summary>
internal static partial class Log
{
    [LoggerMessage(200, LogLevel.Information, "SIGHUP: {Count} certificates were read anew, and connections from now on get them. All else holds until a restart.")]
    internal static partial void Reloaded(ILogger logger, int count);

    [LoggerMessage(201, LogLevel.Information, "SIGHUP: there is no certificate to read anew. All else holds until a restart.")]
    internal static partial void NothingToReload(ILogger logger);

    [LoggerMessage(202, LogLevel.Error, "SIGHUP: {Why} The old one stays: {Certificate}.")]
    internal static partial void NotReloaded(ILogger logger, string why, string certificate);

    [LoggerMessage(203, LogLevel.Warning, "SIGHUP: {File} has changed since the start. It is not read anew while the program runs: what it says now holds after a restart.")]
    internal static partial void NeedsRestart(ILogger logger, string file);

    [LoggerMessage(210, LogLevel.Warning, "There is no control socket at {Path}, so status, stop and end don't reach this program: {Why} --control says another place, or none.")]
    internal static partial void NoControl(ILogger logger, string path, string why);
}
