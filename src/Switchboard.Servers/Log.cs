using Microsoft.Extensions.Logging;

namespace Switchboard.Servers;

/// <summary>Every log record of this project, with its level.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "{Server} listens on {Address}, {Concurrency}.")]
    internal static partial void Listening(ILogger logger, string server, string address, Concurrency concurrency);

    [LoggerMessage(2, LogLevel.Information, "{Server} stops; {Calls} calls run.")]
    internal static partial void Stopping(ILogger logger, string server, int calls);

    [LoggerMessage(3, LogLevel.Warning, "{Server} ends {Calls} calls that still ran after the grace of {Grace} (ServerOptions.Grace).")]
    internal static partial void Cut(ILogger logger, string server, int calls, TimeSpan grace);

    [LoggerMessage(4, LogLevel.Error, "{Server} has {Calls} handlers that still run although their connections are closed; they go on in the background. Have handlers look at their stop token.")]
    internal static partial void StillRunning(ILogger logger, string server, int calls);

    [LoggerMessage(5, LogLevel.Error, "{Server}: the handler of {Kind} {Id} of {Peer} failed.")]
    internal static partial void HandlerFailed(ILogger logger, string server, string kind, long id, string peer, Exception exception);

    [LoggerMessage(6, LogLevel.Debug, "{Server}: {Kind} {Id} of {Peer} ended: {Why}")]
    internal static partial void EndedByConnection(ILogger logger, string server, string kind, long id, string peer, string why);

    [LoggerMessage(7, LogLevel.Debug, "{Server}: {Kind} {Id} of {Peer} was accepted.")]
    internal static partial void CallerAccepted(ILogger logger, string server, string kind, long id, string peer);

    [LoggerMessage(8, LogLevel.Debug, "{Server}: {Kind} {Id} of {Peer} ended, {Reason}, after {Duration}: {Received} bytes received, {Sent} sent.")]
    internal static partial void CallerEnded(ILogger logger, string server, string kind, long id, string peer, ConnectionEndReason reason, TimeSpan duration, long received, long sent);

    [LoggerMessage(9, LogLevel.Debug, "{Server}: {Kind} {Id} of {Peer} was refused: {Why}.")]
    internal static partial void Refused(ILogger logger, string server, string kind, long id, string peer, string why);

    [LoggerMessage(10, LogLevel.Debug, "{Server} lost a caller before it was accepted: {Why}")]
    internal static partial void CallerLost(ILogger logger, string server, string why);

    [LoggerMessage(11, LogLevel.Warning, "{Server} pauses accepting and goes on with the callers it has: {Why}")]
    internal static partial void Paused(ILogger logger, string server, string why);

    [LoggerMessage(12, LogLevel.Information, "{Server} accepts callers again.")]
    internal static partial void Accepting(ILogger logger, string server);

    [LoggerMessage(13, LogLevel.Error, "{Server} stops: its listener is gone. {Why}")]
    internal static partial void ListenerGone(ILogger logger, string server, string why);

    [LoggerMessage(14, LogLevel.Critical, "{Server} can't accept callers any more and stops.")]
    internal static partial void Failed(ILogger logger, string server, Exception exception);

    [LoggerMessage(15, LogLevel.Error, "{Server}: an exception left work that nobody awaits.")]
    internal static partial void Unhandled(ILogger logger, string server, Exception exception);

    [LoggerMessage(16, LogLevel.Warning, "{Server}: the backlog of {Backlog} is more than the kernel allows; {Allowed} may wait (net.core.somaxconn).")]
    internal static partial void BacklogCapped(ILogger logger, string server, int backlog, int allowed);

    [LoggerMessage(18, LogLevel.Warning, "{Server}: {Handler} has held up its event loop for {Time} (ServerOptions.BlockedLoop), and every caller on it. Await instead of blocking, or move the work to another thread with Task.Run.")]
    internal static partial void LoopBlocked(ILogger logger, string server, string handler, TimeSpan time);

    [LoggerMessage(17, LogLevel.Warning, "{Server} leaves its socket's file behind: {Why}")]
    internal static partial void FileLeft(ILogger logger, string server, string why);

    [LoggerMessage(19, LogLevel.Warning, "{Server}: {What}. This is told once a minute.")]
    internal static partial void AtLimit(ILogger logger, string server, string what);

    [LoggerMessage(61, LogLevel.Debug, "{Server}: {Kind} {Id} of {Peer} ended, {Reason}, after {Duration}: {Received} datagrams received, {Dropped} of them dropped.")]
    internal static partial void SessionEnded(ILogger logger, string server, string kind, long id, string peer, string reason, TimeSpan duration, long received, long dropped);

    [LoggerMessage(62, LogLevel.Warning, "{Server}: datagrams of peers whose Unix socket is not bound to an address are dropped, for nothing says which belong together. Have these clients bind their sockets. This is told once a minute.")]
    internal static partial void PeerWithoutAddress(ILogger logger, string server);

    [LoggerMessage(60, LogLevel.Warning, "{Server}: a receive buffer of {Asked} bytes (DatagramOptions.ReceiveBuffer) is more than the kernel allows; it is {Given} (net.core.rmem_max).")]
    internal static partial void ReceiveBufferCapped(ILogger logger, string server, int asked, int given);

    [LoggerMessage(70, LogLevel.Warning, "{Server} keeps the certificate that it has: {Why}")]
    internal static partial void CertificateKept(ILogger logger, string server, string why);

    [LoggerMessage(90, LogLevel.Warning, "{Server}: a stranger was refused: user {User}, process {Process}. Root and user {Own} may call.")]
    internal static partial void Stranger(ILogger logger, string server, uint user, int process, uint own);
}
