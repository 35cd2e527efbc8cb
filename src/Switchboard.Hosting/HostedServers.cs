using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>The servers of a host, a singleton of its services: for those who list, send to, or end connections, for example.
/// Made when somebody asks for it first, and started with the host. Any thread may call its members.</summary>
public sealed class HostedServers : IAsyncDisposable, IDisposable
{
    private readonly Dictionary<string, SocketServer> _servers = new(StringComparer.OrdinalIgnoreCase);

    /// <exception cref="OptionsValidationException">Options of an endpoint are wrong.</exception>
    internal HostedServers(IServiceProvider services)
    {
        IOptionsMonitor<EndpointOptions> options = services.GetRequiredService<IOptionsMonitor<EndpointOptions>>();
        ILoggerFactory? loggers = services.GetService<ILoggerFactory>();
        try
        {
            foreach (EndpointRegistration registration in services.GetServices<EndpointRegistration>())
            {
                EndpointOptions endpoint = options.Get(registration.Name);
                endpoint.Server = endpoint.Server with
                {
                    Name = endpoint.Server.Name ?? registration.Name,
                    LoggerFactory = endpoint.Server.LoggerFactory ?? loggers,
                };
                _servers.Add(registration.Name, registration.Make(services, endpoint));
            }
        }
        catch
        {
            foreach (SocketServer server in _servers.Values)
            {
                // One that has not started ends at once.
                _ = server.StopAsync();
            }
            throw;
        }
        bool stopsHost = services.GetRequiredService<IOptions<SwitchboardOptions>>().Value.WhenServerFails == WhenServerFails.StopHost;
        Group = new ServerGroup(_servers.Values) { EndsTogether = stopsHost };
    }

    /// <summary>All of them, as a group. The host starts and stops it.</summary>
    public ServerGroup Group { get; }

    /// <summary>Each by its endpoint's name.</summary>
    public IReadOnlyDictionary<string, SocketServer> ByName => _servers;

    /// <summary>The server of an endpoint.</summary>
    /// <param name="name">The endpoint's name, whatever its case.</param>
    /// <exception cref="KeyNotFoundException">There is no such endpoint.</exception>
    public SocketServer this[string name] => _servers.TryGetValue(name, out SocketServer? server)
        ? server
        : throw new KeyNotFoundException($"There is no endpoint '{name}'. There are {string.Join(", ", _servers.Keys)}.");

    /// <summary>Stops what has not been stopped, each server with its <see cref="ServerOptions.Grace"/>. A failure of a server has
    /// been told when it came.</summary>
    /// <returns>Completes when nothing of them is left.</returns>
    public async ValueTask DisposeAsync() => await Group.DisposeAsync().AsTask().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    /// <summary>As <see cref="DisposeAsync"/>, for containers that are not disposed asynchronously. Blocks.</summary>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();
}
