using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Switchboard.Servers;

/// <summary>The meter of all servers of this process. What can be counted from what servers know already is summed up when
/// somebody asks, so that no read and no write pays for it.</summary>
internal static class ServerMetrics
{
    private const string Reason = "switchboard.end.reason";

    private static readonly Meter _meter = new(ServerTelemetry.MeterName);
    private static readonly ConcurrentDictionary<IMeasuredServer, bool> _servers = new();
    private static readonly string[] _reasons = Enum.GetNames<ConnectionEndReason>();

    /// <summary>How long calls took, in seconds.</summary>
    internal static Histogram<double> CallDuration { get; } = _meter.CreateHistogram("switchboard.call.duration", "s", "How long calls took, from the beginning of the handler to the close.",
        tags: null, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800] });

    /// <summary>How long posted work waited for its loop, in seconds.</summary>
    internal static Histogram<double> LoopDelay { get; } = _meter.CreateHistogram("switchboard.loop.delay", "s", "How long work that is posted to a loop waits for its turn; looked at once a second.",
        tags: null, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5] });

    static ServerMetrics()
    {
        _meter.CreateObservableUpDownCounter("switchboard.connections.open", Of(static server => server.IsStream, static server => server.Open), "{connection}", "Connections that are served.");
        _meter.CreateObservableCounter("switchboard.connections.accepted", Of(static server => server.IsStream, static server => server.Taken), "{connection}", "Connections accepted, those included that were refused then.");
        _meter.CreateObservableUpDownCounter("switchboard.connections.waiting", Of(static server => server.Waiting is not null, static server => server.Waiting ?? 0), "{connection}", "Connections in the backlogs of TCP listeners, which wait to be accepted.");
        _meter.CreateObservableCounter("switchboard.connections.refused", Of(static server => server.IsStream, static server => server.CountOf(ConnectionEndReason.Limit)), "{connection}", "Connections refused at a limit.");
        _meter.CreateObservableCounter("switchboard.connections.ended", Ended(static server => server.IsStream), "{connection}", "Connections ended, by reason.");
        _meter.CreateObservableCounter("switchboard.received", Of(static server => server.IsStream, static server => server.Received), "By", "Bytes received on connections.");
        _meter.CreateObservableCounter("switchboard.sent", Of(static server => server.IsStream, static server => server.Sent), "By", "Bytes handed to the kernel on connections.");
        _meter.CreateObservableUpDownCounter("switchboard.sessions.open", Of(static server => server.HasSessions, static server => server.Open), "{session}", "Sessions of datagrams whose handlers run.");
        _meter.CreateObservableCounter("switchboard.sessions.started", Of(static server => server.HasSessions, static server => server.Taken), "{session}", "Sessions of datagrams that have begun.");
        _meter.CreateObservableCounter("switchboard.sessions.ended", Ended(static server => server.HasSessions), "{session}", "Sessions of datagrams ended, by reason.");
        _meter.CreateObservableCounter("switchboard.datagrams.received", Of(static server => !server.IsStream, static server => server.Datagrams), "{datagram}", "Datagrams received.");
        _meter.CreateObservableCounter("switchboard.datagrams.dropped", Of(static server => !server.IsStream, static server => server.Dropped), "{datagram}", "Datagrams lost on this machine: the receive buffer was full, or a session's queue, there were too many sessions, or a session's peer had no address.");
        _meter.CreateObservableCounter("switchboard.accept.pauses", Of(static _ => true, static server => server.PauseCount), "{pause}", "How often accepting paused because descriptors or memory ran out.");
        _meter.CreateObservableUpDownCounter("switchboard.loops", Of(static _ => true, static server => server.LoopCount), "{loop}", "Loops that accept; under EventLoop they serve too.");
    }

    /// <summary>Counts a server among those that are asked.</summary>
    internal static void Add(IMeasuredServer server) => _servers[server] = true;

    internal static void Remove(IMeasuredServer server) => _servers.TryRemove(server, out _);

    internal static KeyValuePair<string, object?> TagOf(ConnectionEndReason reason) => new(Reason, _reasons[(int)reason]);

    private static Func<IEnumerable<Measurement<long>>> Of(Func<IMeasuredServer, bool> counts, Func<IMeasuredServer, long> value) =>
        () => [.. from server in _servers.Keys where counts(server) select new Measurement<long>(value(server), server.Tags)];

    private static Func<IEnumerable<Measurement<long>>> Ended(Func<IMeasuredServer, bool> counts) =>
        () => [.. from server in _servers.Keys
            where counts(server)
            from reason in Enum.GetValues<ConnectionEndReason>()
            let count = server.CountOf(reason)
            where count > 0
            select new Measurement<long>(count, [.. server.Tags, TagOf(reason)])];
}

/// <summary>What the meter asks a server. Any thread.</summary>
internal interface IMeasuredServer
{
    /// <summary>Its name, endpoint and model.</summary>
    KeyValuePair<string, object?>[] Tags { get; }

    bool IsStream { get; }

    bool HasSessions { get; }

    long Open { get; }

    long Taken { get; }

    /// <summary>Connections that wait to be accepted; null where the kernel does not tell.</summary>
    long? Waiting { get; }

    /// <summary>Datagrams that were received.</summary>
    long Datagrams { get; }

    long PauseCount { get; }

    long LoopCount { get; }

    long Received { get; }

    long Sent { get; }

    /// <summary>Datagrams that were lost on this machine.</summary>
    long Dropped { get; }

    long CountOf(ConnectionEndReason reason);
}
