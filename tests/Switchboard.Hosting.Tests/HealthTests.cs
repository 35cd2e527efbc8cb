using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Switchboard.Servers;
using Switchboard.Servers.Tests;

namespace Switchboard.Hosting.Tests;

/// <summary>What the health check says, and what the service manager is told.</summary>
public sealed class HealthTests
{
    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Endpoints_are_healthy_while_they_listen_and_respond(Model model)
    {
        // A busy machine may be slow; the next test is of slowness.
        await using TestHost host = Make(static (caller, stop) => caller.ReadMessageAsync(Framing.Line, stop).AsTask(), model.Make(), Deadline.Time / 2, Deadline.Time);
        HealthReportEntry before = await CheckAsync(host);
        Assert.Equal((HealthStatus.Unhealthy, "echo does not listen: it has not started."), (before.Status, before.Description));
        await host.StartAsync();
        using (Caller caller = await Caller.ConnectAsync(host["echo"]))
        {
            await Deadline.UntilAsync(() => host["echo"].Statistics.Open == 1, "the caller is served");
            HealthReportEntry entry = await CheckAsync(host);
            // Under Sequential the loop of the server is the call's, which waits and responds.
            Assert.Equal((HealthStatus.Healthy, "1 endpoints listen and respond."), (entry.Status, entry.Description));
            Assert.Equal((1, 1L, $"{host["echo"].LocalEndPoint}"), (entry.Data["echo.open"], entry.Data["echo.accepted"], entry.Data["echo.address"]));
            Assert.InRange((TimeSpan)entry.Data["echo.delay"], TimeSpan.Zero, Deadline.Time);
        }
        await host.StopAsync();
        HealthReportEntry after = await CheckAsync(host);
        Assert.Equal((HealthStatus.Unhealthy, "echo does not listen: it has stopped."), (after.Status, after.Description));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_loop_that_does_not_respond_in_time_is_unhealthy_and_named_with_the_time()
    {
        using var release = new ManualResetEventSlim();
        await using TestHost host = Make((_, _) =>
        {
            release.Wait(Deadline.Time);
            return Task.CompletedTask;
        }, Concurrency.EventLoop(), TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(100));
        await host.StartAsync();
        using Caller caller = await Caller.ConnectAsync(host["echo"]);
        await Deadline.UntilAsync(() => host["echo"].Statistics.Open == 1, "the caller is served");
        HealthReportEntry entry = await CheckAsync(host);
        Assert.Equal((HealthStatus.Unhealthy, "echo has a loop that did not respond within 0.1 s."), (entry.Status, entry.Description));
        Assert.Equal(1, entry.Data["echo.open"]);
        release.Set();
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_loop_that_responds_late_is_degraded()
    {
        using var release = new ManualResetEventSlim();
        await using TestHost host = Make((_, _) =>
        {
            release.Wait(Deadline.Time);
            return Task.CompletedTask;
        }, Concurrency.EventLoop(), TimeSpan.FromMilliseconds(1), Deadline.Time);
        await host.StartAsync();
        using Caller caller = await Caller.ConnectAsync(host["echo"]);
        await Deadline.UntilAsync(() => host["echo"].Statistics.Open == 1, "the caller is served");
        Task<HealthReportEntry> asked = CheckAsync(host);
        await Task.WhenAny(asked, Task.Delay(20));
        Assert.False(asked.IsCompleted);
        release.Set();
        HealthReportEntry entry = await asked;
        Assert.Equal(HealthStatus.Degraded, entry.Status);
        Assert.Matches(@"^echo has a loop that responded after \d+(\.\d+)? s, later than 0.001 s\.$", entry.Description);
    }

    [Fact]
    public void Times_out_of_range_are_refused()
    {
        IHealthChecksBuilder checks = new ServiceCollection().AddHealthChecks();
        Assert.Throws<ArgumentOutOfRangeException>(() => checks.AddSwitchboard(degradedAfter: TimeSpan.Zero));
        Assert.Throws<ArgumentOutOfRangeException>(() => checks.AddSwitchboard(degradedAfter: TimeSpan.FromSeconds(2), unhealthyAfter: TimeSpan.FromSeconds(1)));
    }

    private static TestHost Make(Func<Connection, CancellationToken, Task> handler, Concurrency concurrency, TimeSpan degradedAfter, TimeSpan unhealthyAfter) =>
        new(servers => servers.AddStream("echo", handler, endpoint => (endpoint.Address, endpoint.Concurrency) = ("127.0.0.1:0", concurrency))
            .Services.AddHealthChecks().AddSwitchboard(degradedAfter: degradedAfter, unhealthyAfter: unhealthyAfter));

    private static async Task<HealthReportEntry> CheckAsync(TestHost host) =>
        (await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync().InTime()).Entries["switchboard"];
}
