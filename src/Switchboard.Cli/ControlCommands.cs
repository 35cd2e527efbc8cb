using System.Diagnostics;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>What the control socket of a program that serves can be asked.</summary>
internal sealed class ControlCommands(ServePlan plan, ServerGroup group, Action stop)
{
    internal const string Status = "status";
    internal const string Stop = "stop";
    internal const string Wait = "wait";
    internal const string End = "end";

    // Less than a request has: who waits for longer asks again.
    private static readonly TimeSpan _longestWait = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(1);

    private readonly long _began = Stopwatch.GetTimestamp();

    internal IReadOnlyDictionary<string, ControlCommand> Table => new Dictionary<string, ControlCommand>(StringComparer.Ordinal)
    {
        [Status] = StatusAsync,
        [Stop] = StopAsync,
        [Wait] = WaitAsync,
        [End] = (request, _) => ValueTask.FromResult(EndConnection(request)),
    };

    private ValueTask<JsonObject> StopAsync(JsonObject request, CancellationToken cancellation)
    {
        // Before the stop begins, so that the answer does not come too late for a quick end.
        ValueTask<JsonObject> answer = IsTrue(request["wait"])
            ? WaitAsync(request, cancellation)
            : ValueTask.FromResult(new JsonObject { ["stopping"] = true, ["grace"] = plan.Effective("grace") });
        // On the thread pool: what the stop runs may wait for the loop that answers here.
        ThreadPool.UnsafeQueueUserWorkItem(static act => ((Action)act!)(), stop);
        return answer;
    }

    /// <summary>Waits for the end, and tells how it was; or that it has not come in the time that was asked for.</summary>
    private async ValueTask<JsonObject> WaitAsync(JsonObject request, CancellationToken cancellation)
    {
        TimeSpan time = request["seconds"] is JsonValue value && value.TryGetValue(out double seconds) && seconds >= 0 && seconds < _longestWait.TotalSeconds
            ? TimeSpan.FromSeconds(seconds)
            : _longestWait;
        // The control socket is stopped right after the end: that must not pass for another outcome.
        await group.Completion.WaitAsync(time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        if (!group.Completion.IsCompleted)
        {
            cancellation.ThrowIfCancellationRequested();
            return new JsonObject { ["ended"] = false, ["open"] = group.Statistics.Open, ["grace"] = plan.Effective("grace") };
        }
        return new JsonObject { ["ended"] = true, ["cut"] = group.Statistics.Cut, ["failure"] = group.Completion.Exception?.InnerException?.Message };
    }

    private async ValueTask<JsonObject> StatusAsync(JsonObject request, CancellationToken cancellation)
    {
        TimeSpan?[] delays = await Task.WhenAll(group.Servers.Select(server => DelayAsync(server, cancellation)));
        var endpoints = new JsonArray();
        for (int i = 0; i < delays.Length; i++)
        {
            endpoints.Add((JsonNode)Endpoint(group.Servers[i], plan.Endpoints[i], delays[i]));
        }
        var answer = new JsonObject
        {
            ["pid"] = Environment.ProcessId,
            ["name"] = plan.Effective("name"),
            ["version"] = typeof(ControlCommands).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion,
            ["uptime"] = Seconds(Stopwatch.GetElapsedTime(_began)),
            ["endpoints"] = endpoints,
        };
        if (IsTrue(request["connections"]))
        {
            answer["connections"] = new JsonArray([.. group.Servers.SelectMany<SocketServer, JsonNode>((server, i) =>
                (server as StreamServer)?.Connections.Select(JsonNode (connection) => Row(connection, server, plan.Endpoints[i])) ?? [])]);
        }
        return answer;
    }

    /// <summary>How long the slowest loop of a server takes to answer; null if that is more than a second.</summary>
    private static async Task<TimeSpan?> DelayAsync(SocketServer server, CancellationToken cancellation)
    {
        using var time = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        time.CancelAfter(_patience);
        try
        {
            return await server.MeasureResponseAsync(time.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private static JsonObject Endpoint(SocketServer server, EndpointPlan plan, TimeSpan? delay)
    {
        ServerStatistics statistics = server.Statistics;
        var ended = new JsonObject();
        foreach ((ConnectionEndReason reason, long count) in statistics.EndedBy.OrderBy(static row => row.Key))
        {
            ended[JsonNamingPolicy.KebabCaseLower.ConvertName(reason.ToString())] = count;
        }
        var settings = new JsonObject();
        foreach ((string name, string value) in plan.EffectiveSettings)
        {
            settings[name] = value;
        }
        return new JsonObject
        {
            ["address"] = EndpointAddress.Describe(server),
            ["handler"] = plan.Handler,
            ["model"] = plan.Effective("model"),
            ["open"] = statistics.Open,
            ["accepted"] = statistics.Accepted,
            ["refused"] = statistics.EndedBy.GetValueOrDefault(ConnectionEndReason.Limit),
            ["paused"] = statistics.Paused,
            ["delay"] = delay is { } time ? Seconds(time) : null,
            ["ended"] = ended,
            ["tls"] = server.Options.Tls is { } tls ? CertificateStatus.Of(tls) : null,
            ["proxy"] = server.Options.ProxyProtocol is { } proxy ? new JsonObject
            {
                ["trusted"] = new JsonArray([.. proxy.Trusted.Select(static network => (JsonNode)network.ToString())]),
                ["untrusted"] = proxy.Untrusted.ToString().ToLowerInvariant(),
            } : null,
            ["settings"] = settings,
        };
    }

    private static JsonObject Row(Connection connection, SocketServer server, EndpointPlan plan) => new JsonObject
    {
        ["id"] = connection.Id,
        ["peer"] = connection.RemoteEndPoint is { } peer ? ServerAddress.Describe(peer) : null,
        ["endpoint"] = EndpointAddress.Describe(server),
        ["handler"] = plan.Handler,
        ["age"] = Seconds(connection.Age),
        ["received"] = connection.Received,
        ["sent"] = connection.Sent,
        ["tls"] = connection.Tls is { } tls ? CertificateStatus.Of(tls) : null,
        ["proxy"] = connection.Proxy is { } header ? new JsonObject { ["version"] = header.Version, ["address"] = connection.DirectEndPoint is { } direct ? ServerAddress.Describe(direct) : null } : null,
    };

    private JsonObject EndConnection(JsonObject request)
    {
        if (request["id"] is not JsonValue value || !value.TryGetValue(out long id))
        {
            throw new ControlException("The command end needs the id of a connection, {\"command\":\"end\",\"id\":7} for example.");
        }
        return group.End(id, "It was ended through the control socket.")
            ? new JsonObject { ["ended"] = id }
            : throw new ControlException($"There is no open connection {id}. See: switchboard status --connections");
    }

    private static bool IsTrue(JsonNode? value) => value?.GetValueKind() == JsonValueKind.True;

    private static double Seconds(TimeSpan time) => Math.Round(time.TotalSeconds, 6);
}
