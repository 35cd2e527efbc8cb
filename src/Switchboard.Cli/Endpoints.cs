using Microsoft.Extensions.Logging;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Makes the servers of a plan. Endpoints that name the same handler share what it has, those of the same model its
/// loops, and those of the same files a certificate.</summary>
internal sealed class Endpoints(ServePlan plan, Certificates certificates, ILoggerFactory loggers)
{
    private readonly TimeSpan _grace = Values.Time(plan.Effective("grace")!);
    private readonly Dictionary<string, HandlerChoice> _handlers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Concurrency> _models = new(StringComparer.Ordinal);

    internal IEnumerable<SocketServer> MakeAll() => plan.Endpoints.Select(Make);

    /// <exception cref="MisuseException">Something does not fit.</exception>
    /// <exception cref="UnusableException">A handler or a file can't be used.</exception>
    internal SocketServer Make(EndpointPlan endpoint)
    {
        (HandlerChoice handler, ServerOptions options) = Check(endpoint);
        return handler.Serve(endpoint.Handler, EndpointAddress.Parse(endpoint.Bind), endpoint.Concurrency(_models), options);
    }

    /// <summary>Looks at all but the address.</summary>
    internal (HandlerChoice Handler, ServerOptions Options) Check(EndpointPlan endpoint)
    {
        ServerOptions options = endpoint.Options(_grace, certificates, loggers);
        return (Handler(endpoint, options), options);
    }

    private HandlerChoice Handler(EndpointPlan endpoint, ServerOptions options)
    {
        if (endpoint.Handler == GatewayPlan.Name)
        {
            return GatewayPlan.Of(endpoint, options.Limits);
        }
        if (!_handlers.TryGetValue(endpoint.Handler, out HandlerChoice? handler))
        {
            _handlers[endpoint.Handler] = handler = HandlerChoice.Of(endpoint.Handler);
        }
        return handler;
    }
}
