namespace Switchboard.Servers;

// What a server tells those who measure it.
public abstract partial class SocketServer<TRequest> : IMeasuredServer
{
    private KeyValuePair<string, object?>[] _tags = [];

    KeyValuePair<string, object?>[] IMeasuredServer.Tags => _tags;

    bool IMeasuredServer.IsStream => typeof(TRequest) == typeof(Connection);

    bool IMeasuredServer.HasSessions => typeof(TRequest) == typeof(DatagramSession);

    long IMeasuredServer.Open => OpenCalls;

    long IMeasuredServer.Taken => Accepted;

    long? IMeasuredServer.Waiting => Waiting;

    long IMeasuredServer.Datagrams => DatagramsReceived;

    long IMeasuredServer.PauseCount => Pauses;

    long IMeasuredServer.LoopCount => LoopCount;

    long IMeasuredServer.Received => BytesReceived;

    long IMeasuredServer.Sent => BytesSent;

    long IMeasuredServer.Dropped => Statistics.Dropped;

    long IMeasuredServer.CountOf(ConnectionEndReason reason) => CountOf(reason);

    private protected virtual long? Waiting => null;

    private protected virtual long DatagramsReceived => Accepted;

    private protected virtual long BytesReceived => 0;

    private protected virtual long BytesSent => 0;

    private protected virtual long CountOf(ConnectionEndReason reason) => 0;

    /// <summary>Names a request.</summary>
    private protected abstract Caller CallerOf(TRequest request);

    /// <summary>How a request has ended.</summary>
    private protected abstract (ConnectionEndReason? Reason, Exception? Exception) EndOf(TRequest request);

    /// <summary>Has the server measured until it has ended. Once, before it serves.</summary>
    private void BeginTelemetry()
    {
        _tags =
        [
            new("switchboard.server", Name),
            new("switchboard.endpoint", ServerAddress.Describe(LocalEndPoint!)),
            new("switchboard.model", $"{Concurrency}"),
        ];
        var probe = new LoopProbe(_model.Loops, _tags);
        ServerMetrics.Add(this);
        Completion.ContinueWith(_ =>
        {
            ServerMetrics.Remove(this);
            probe.Dispose();
        }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private CallTelemetry? BeginTelemetry(TRequest request) => CallTelemetry.IsWanted ? new CallTelemetry(_tags, CallerOf(request)) : null;

    private void End(CallTelemetry telemetry, TRequest request)
    {
        try
        {
            (ConnectionEndReason? reason, Exception? exception) = EndOf(request);
            telemetry.End(reason, exception);
        }
        catch (Exception exception)
        {
            // That of a listener, which must not keep the call from ending.
            OnUnhandled(exception);
        }
    }
}
