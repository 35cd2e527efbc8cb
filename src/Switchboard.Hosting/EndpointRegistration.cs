using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>An endpoint that was added: its name, and how its server is made.</summary>
internal sealed record EndpointRegistration(string Name, Func<IServiceProvider, EndpointOptions, SocketServer> Make)
{
    /// <summary>Makes a server of streams for the kind of address.</summary>
    internal static SocketServer Streams(HandlerSource<CallHandler> handlers, EndpointOptions endpoint) =>
        StreamServer.On(endpoint.Address!.Value, handlers, endpoint.Concurrency, endpoint.Server);

    /// <summary>Makes a server of datagrams for the kind of address.</summary>
    internal static SocketServer Datagrams(HandlerSource<DatagramRequestHandler> handlers, EndpointOptions endpoint) =>
        DatagramServer.On(endpoint.Address!.Value, handlers, endpoint.Concurrency, endpoint.Server);

    /// <summary>Makes a server of sessions for the kind of address.</summary>
    internal static SocketServer Sessions(HandlerSource<DatagramSessionHandler> handlers, EndpointOptions endpoint) =>
        DatagramSessionServer.On(endpoint.Address!.Value, handlers, endpoint.Concurrency, endpoint.Server);
}
