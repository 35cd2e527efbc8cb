using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>Starts the servers with the host, stops them with it, and tells the service manager.</summary>
internal sealed class HostedServersService(IServiceProvider services, IHostApplicationLifetime lifetime, IOptions<SwitchboardOptions> options, ILogger<HostedServersService> logger) : IHostedLifecycleService, IDisposable
{
    private readonly CancellationTokenSource _stopped = new();
    private HostedServers? _servers;
    private ServerGroupException? _failure;
    private SystemdNotifier? _notifier;
    private Task _watchdog = Task.CompletedTask;

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _servers = services.GetRequiredService<HostedServers>();
        await _servers.Group.StartAsync(cancellationToken).ConfigureAwait(false);
        foreach ((string name, SocketServer server) in _servers.ByName)
        {
            _ = WatchAsync(name, server);
        }
    }

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        // After all services of the host have started.
        _notifier = options.Value.Notifier();
        if (_notifier is not null)
        {
            _notifier.Ready();
            _watchdog = _notifier.KeepAliveAsync(RespondAsync, _stopped.Token);
        }
        return Task.CompletedTask;
    }

    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        _notifier?.Stopping();
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_servers is null)
        {
            return;
        }
        Task stop = _servers.Group.StopAsync();
        await using (cancellationToken.UnsafeRegister(static self => ((HostedServersService)self!).Cut(), this).ConfigureAwait(false))
        {
            // A server's failure was told when it came; what the host is to know of it is thrown below.
            await stop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (_failure is not null)
        {
            throw _failure;
        }
    }

    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        await _stopped.CancelAsync().ConfigureAwait(false);
        await _watchdog.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose()
    {
        _notifier?.Dispose();
        _stopped.Dispose();
    }

    private void Cut()
    {
        if (!_servers!.Group.Servers.All(static server => server.Completion.IsCompleted))
        {
            Log.ShutdownTimeOver(logger);
            _ = _servers.Group.StopAsync(TimeSpan.Zero);
        }
    }

    private async Task WatchAsync(string name, SocketServer server)
    {
        try
        {
            await server.Completion.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            if (options.Value.WhenServerFails == WhenServerFails.Report)
            {
                Log.ServerFailed(logger, name, exception);
                return;
            }
            Log.HostStops(logger, name, exception);
            Interlocked.CompareExchange(ref _failure, new ServerGroupException(server, $"The server of endpoint {name} failed, so the host stopped: {exception.Message}", exception), null);
            lifetime.StopApplication();
        }
    }

    private async Task<bool> RespondAsync(TimeSpan within)
    {
        (string Name, Task<TimeSpan?> Time)[] asked = [.. _servers!.ByName.Select(row => (row.Key, LoopResponse.MeasureAsync(row.Value, within, _stopped.Token)))];
        bool isAlive = true;
        foreach ((string name, Task<TimeSpan?> time) in asked)
        {
            if (await time.ConfigureAwait(false) is null)
            {
                isAlive = false;
                Log.WatchdogStarved(logger, name, within);
            }
        }
        return isAlive;
    }
}
