using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>Whether all endpoints listen, and their loops respond.</summary>
/// <param name="servers">The servers.</param>
/// <param name="degradedAfter">A loop that takes longer is slow.</param>
/// <param name="unhealthyAfter">A loop that takes longer does not respond.</param>
internal sealed class SwitchboardHealthCheck(HostedServers servers, TimeSpan degradedAfter, TimeSpan unhealthyAfter) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        HealthStatus worst = HealthStatus.Healthy;
        var faults = new List<string>();
        var data = new Dictionary<string, object>(StringComparer.Ordinal);
        (string Name, SocketServer Server, Task<TimeSpan?> Delay)[] asked =
            [.. servers.ByName.Where(static row => IsListening(row.Value)).Select(row => (row.Key, row.Value, LoopResponse.MeasureAsync(row.Value, unhealthyAfter, cancellationToken)))];
        foreach ((string name, SocketServer server) in servers.ByName.Where(static row => !IsListening(row.Value)))
        {
            Fault(context.Registration.FailureStatus, $"{name} does not listen: {WhyNot(server)}.");
        }
        foreach ((string name, SocketServer server, Task<TimeSpan?> asking) in asked)
        {
            TimeSpan? delay = await asking.ConfigureAwait(false);
            data[$"{name}.address"] = ServerAddress.Describe(server.LocalEndPoint!);
            data[$"{name}.open"] = server.Statistics.Open;
            data[$"{name}.accepted"] = server.Statistics.Accepted;
            if (delay is null)
            {
                Fault(context.Registration.FailureStatus, $"{name} has a loop that did not respond within {Seconds(unhealthyAfter)}.");
            }
            else
            {
                data[$"{name}.delay"] = delay.Value;
                if (delay > degradedAfter)
                {
                    Fault(HealthStatus.Degraded, $"{name} has a loop that responded after {Seconds(delay.Value)}, later than {Seconds(degradedAfter)}.");
                }
            }
        }
        return new HealthCheckResult(worst, faults.Count == 0 ? $"{servers.ByName.Count} endpoints listen and respond." : string.Join(' ', faults), data: data);

        void Fault(HealthStatus status, string what)
        {
            // The worst has the least value.
            worst = status < worst ? status : worst;
            faults.Add(what);
        }
    }

    private static bool IsListening(SocketServer server) => server.LocalEndPoint is not null && !server.Stopping.IsCancellationRequested && !server.Completion.IsCompleted;

    private static string WhyNot(SocketServer server) => server switch
    {
        { Completion: { IsFaulted: true, Exception.InnerException: { } failure } } => $"it failed ({failure.Message.TrimEnd('.')})",
        { Completion.IsCompleted: true } => "it has stopped",
        { Stopping.IsCancellationRequested: true } => "it stops",
        _ => "it has not started",
    };

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.###} s");
}
