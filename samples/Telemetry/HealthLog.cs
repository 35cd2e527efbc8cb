using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace Switchboard.Samples;

/// <summary>Logs how the servers are; where there is a web server, it would answer for them instead.</summary>
public sealed partial class HealthLog(ILogger<HealthLog> logger) : IHealthCheckPublisher
{
    public Task PublishAsync(HealthReport report, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(report);
        foreach ((string name, HealthReportEntry entry) in report.Entries)
        {
            Tell(logger, name, entry.Status, entry.Description);
        }
        return Task.CompletedTask;
    }

    [LoggerMessage(LogLevel.Information, "Health of {Name}: {Status}. {Description}")]
    private static partial void Tell(ILogger logger, string name, HealthStatus status, string? description);
}
