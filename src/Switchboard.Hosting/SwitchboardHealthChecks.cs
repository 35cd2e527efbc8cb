using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Switchboard.Hosting;

/// <summary>Adds the servers of a host to its health checks.</summary>
public static class SwitchboardHealthChecks
{
    private static readonly TimeSpan _degradedAfter = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan _unhealthyAfter = TimeSpan.FromSeconds(2);

    /// <summary>Adds a check of all endpoints that <see cref="SwitchboardServices.AddSwitchboard(IServiceCollection)"/> was given:
    /// whether each listens, and whether its loops respond. The description names the endpoint and the time; the data has
    /// <c>NAME.address</c>, <c>NAME.open</c> (connections or datagrams that are being served), <c>NAME.accepted</c> and
    /// <c>NAME.delay</c>.</summary>
    /// <param name="builder">The host's health checks.</param>
    /// <param name="name">The check's name.</param>
    /// <param name="degradedAfter">A loop that responds later makes the check degraded; more than zero. Null for 250
    /// milliseconds.</param>
    /// <param name="unhealthyAfter">A loop that has not responded by then makes the check fail, and so long the check takes at
    /// most; more than <paramref name="degradedAfter"/>. Null for 2 seconds.</param>
    /// <param name="failureStatus">What is told when an endpoint does not listen or respond; null for
    /// <see cref="HealthStatus.Unhealthy"/>.</param>
    /// <param name="tags">Tags to filter by; null for none.</param>
    /// <returns>The same.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A time is out of its range.</exception>
    public static IHealthChecksBuilder AddSwitchboard(this IHealthChecksBuilder builder, string name = "switchboard", TimeSpan? degradedAfter = null, TimeSpan? unhealthyAfter = null, HealthStatus? failureStatus = null, IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        TimeSpan slow = degradedAfter ?? _degradedAfter;
        TimeSpan dead = unhealthyAfter ?? (_unhealthyAfter > slow ? _unhealthyAfter : slow * 2);
        if (slow <= TimeSpan.Zero)
        {
            throw new ArgumentOutOfRangeException(nameof(degradedAfter), degradedAfter, "The time after which a loop is slow must be more than zero.");
        }
        if (dead <= slow || dead.TotalMilliseconds > int.MaxValue)
        {
            throw new ArgumentOutOfRangeException(nameof(unhealthyAfter), unhealthyAfter, $"The time after which a loop does not respond must be more than degradedAfter ({slow}), and at most 24 days.");
        }
        return builder.Add(new HealthCheckRegistration(name, services => new SwitchboardHealthCheck(services.GetRequiredService<HostedServers>(), slow, dead), failureStatus, tags));
    }
}
