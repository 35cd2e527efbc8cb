using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Switchboard.Servers;
using Switchboard.Servers.Tests;

namespace Switchboard.Hosting.Tests;

/// <summary>A generic host whose logs are kept, and that tells no service manager.</summary>
internal sealed class TestHost : IAsyncDisposable
{
    private readonly IHost _host;

    internal TestHost(Action<SwitchboardBuilder> add, IReadOnlyDictionary<string, string?>? configuration = null, TimeSpan? shutdownTime = null)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection((configuration ?? new Dictionary<string, string?>()).Select(row => KeyValuePair.Create($"Servers:{row.Key}", row.Value)));
        builder.Services.AddSingleton<ILoggerFactory>(Log);
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = shutdownTime ?? Deadline.Time);
        add(builder.Services.AddSwitchboard(builder.Configuration.GetSection("Servers")).Configure(static options => options.Notifier = static () => null));
        _host = builder.Build();
    }

    internal RecordingLog Log { get; } = new();

    internal IServiceProvider Services => _host.Services;

    internal HostedServers Servers => Services.GetRequiredService<HostedServers>();

    internal SocketServer this[string name] => Servers[name];

    internal Task StartAsync() => _host.StartAsync().InTime();

    internal Task StopAsync() => _host.StopAsync().InTime();

    /// <summary>Waits until somebody stops the host, and stops it, as a program's Main does.</summary>
    internal Task WaitForShutdownAsync() => _host.WaitForShutdownAsync().InTime();

    public async ValueTask DisposeAsync() => await ((IAsyncDisposable)_host).DisposeAsync();
}
