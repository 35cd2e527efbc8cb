using System.Diagnostics;
using System.Net;

namespace Switchboard.Servers;

/// <summary>What is told of one call to those who listen: its time, and an activity.</summary>
internal sealed class CallTelemetry
{
    private static readonly ActivitySource _source = new(ServerTelemetry.ActivitySourceName);

    private readonly KeyValuePair<string, object?>[] _server;
    private readonly long _began = Stopwatch.GetTimestamp();
    private readonly Activity? _activity;

    /// <summary>Begins to tell of a call; its activity is current from now on.</summary>
    internal CallTelemetry(KeyValuePair<string, object?>[] server, in Caller caller)
    {
        _server = server;
        if (!_source.HasListeners())
        {
            return;
        }
        // Nobody's child: what is current on a thread that accepts is what started the server.
        Activity.Current = null;
        _activity = _source.CreateActivity("switchboard.call", ActivityKind.Server);
        if (_activity is null)
        {
            return;
        }
        foreach (KeyValuePair<string, object?> tag in server)
        {
            _activity.SetTag(tag.Key, tag.Value);
        }
        _activity.SetTag("switchboard.id", caller.Id);
        switch (caller.Peer)
        {
            case IPEndPoint peer:
                _activity.SetTag("network.peer.address", peer.Address.ToString());
                _activity.SetTag("network.peer.port", peer.Port);
                break;
            case { } peer:
                _activity.SetTag("network.peer.address", peer.ToString());
                break;
        }
        _activity.Start();
    }

    /// <summary>True if anybody listens.</summary>
    internal static bool IsWanted => ServerMetrics.CallDuration.Enabled || _source.HasListeners();

    /// <summary>The call has ended.</summary>
    /// <param name="reason">Why its connection ended; null for a datagram.</param>
    /// <param name="exception">What its handler threw, or the error behind the end.</param>
    internal void End(ConnectionEndReason? reason, Exception? exception)
    {
        if (ServerMetrics.CallDuration.Enabled)
        {
            ServerMetrics.CallDuration.Record(Stopwatch.GetElapsedTime(_began).TotalSeconds, reason is { } known ? [.. _server, ServerMetrics.TagOf(known)] : _server);
        }
        if (_activity is null)
        {
            return;
        }
        if (reason is { } why)
        {
            KeyValuePair<string, object?> tag = ServerMetrics.TagOf(why);
            _activity.SetTag(tag.Key, tag.Value);
        }
        if (exception is not null)
        {
            _activity.SetTag("error.type", exception.GetType().FullName);
        }
        if (exception is not null || reason is not (null or ConnectionEndReason.HandlerReturned or ConnectionEndReason.PeerClosed or ConnectionEndReason.Stopped or ConnectionEndReason.Aborted))
        {
            _activity.SetStatus(ActivityStatusCode.Error, exception?.Message ?? $"The connection ended: {reason}.");
        }
        _activity.Dispose();
    }
}
