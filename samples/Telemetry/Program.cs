using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Switchboard.Hosting;
using Switchboard.Samples;
using Switchboard.Servers;

// Two endpoints in the generic host, watched by OpenTelemetry: metrics for Prometheus, each call as an activity, and health checks.
//   dotnet run --project samples/Telemetry -- --Switchboard:Endpoints:words:Address=127.0.0.1:8009 --Prometheus:Port=9464
//   curl 127.0.0.1:9464/metrics
HostApplicationBuilder builder = Host.CreateApplicationBuilder(args);

builder.Services.AddScoped<WordCount>();
builder.Services.AddSwitchboard(builder.Configuration.GetSection("Switchboard"))
    .AddStream<WordsHandler>("words", static endpoint => (endpoint.Address, endpoint.Concurrency) = ("127.0.0.1:8009", Concurrency.EventLoop()))
    .AddDatagrams("ping", static (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask(), static endpoint => endpoint.Address = "127.0.0.1:8009");

builder.Services.AddHealthChecks().AddSwitchboard();
builder.Services.Configure<HealthCheckPublisherOptions>(static options => (options.Delay, options.Period) = (TimeSpan.Zero, TimeSpan.FromSeconds(10)));
builder.Services.AddSingleton<IHealthCheckPublisher, HealthLog>();

builder.Services.AddOpenTelemetry()
    .WithMetrics(metrics => metrics
        .AddMeter(ServerTelemetry.MeterName)
        .AddPrometheusHttpListener(listener => (listener.Host, listener.Port) = ("127.0.0.1", builder.Configuration.GetValue("Prometheus:Port", 9464))))
    .WithTracing(static tracing => tracing
        .AddSource(ServerTelemetry.ActivitySourceName)
        .AddConsoleExporter());

await builder.Build().RunAsync();
