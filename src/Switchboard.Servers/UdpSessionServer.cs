using System.Diagnostics.CodeAnalysis;

namespace Switchboard.Servers;

/// <summary>A server on a UDP socket in which all datagrams of one peer, an address with its port, go to one running handler:
/// see <see cref="DatagramSessionServer"/>.</summary>
public class UdpSessionServer : DatagramSessionServer
{
    /// <summary>A server whose handler is a lambda.</summary>
    /// <param name="address">Where to listen: <c>127.0.0.1:8009</c> for example.</param>
    /// <param name="handler">Serves a session from its first datagram on.</param>
    /// <param name="concurrency">Where handlers run; null for <see cref="Concurrency.Threads"/>.</param>
    /// <param name="options">How; null for the defaults. <see cref="ServerOptions.Sessions"/> has the limits.</param>
    /// <exception cref="ArgumentException">The address is not one of UDP; the model can't run so many sessions at once; or
    /// <see cref="CallerLimits.AcceptsPerSecond"/> is set, which would hold up the sessions that run.</exception>
    public UdpSessionServer(ServerAddress address, Func<DatagramSession, CancellationToken, Task> handler, Concurrency? concurrency = null, ServerOptions? options = null)
        : this(address, HandlerSource<DatagramSessionHandler>.Of(handler, () => new LambdaDatagramSessionHandler(handler)), concurrency, options)
    {
    }

    /// <summary>A server whose handlers come from a factory.</summary>
    /// <param name="address">Where to listen: <c>127.0.0.1:8009</c> for example.</param>
    /// <param name="factory">Makes a new handler for each session.</param>
    /// <param name="concurrency">Where handlers run; null for <see cref="Concurrency.Threads"/>.</param>
    /// <param name="options">How; null for the defaults. <see cref="ServerOptions.Sessions"/> has the limits.</param>
    /// <exception cref="ArgumentException">As of the other constructor.</exception>
    public UdpSessionServer(ServerAddress address, Func<DatagramSessionHandler> factory, Concurrency? concurrency = null, ServerOptions? options = null)
        : this(address, HandlerSource<DatagramSessionHandler>.From(factory, isBlocking: false), concurrency, options)
    {
    }

    internal UdpSessionServer(ServerAddress address, HandlerSource<DatagramSessionHandler> handlers, Concurrency? concurrency, ServerOptions? options)
        : base(UdpServer.Checked(address, nameof(UdpSessionServer), nameof(UnixDatagramSessionServer)), handlers, concurrency ?? Concurrency.Threads(), options, "UDP sessions")
    {
    }
}

/// <summary>A server of sessions on a UDP socket. Its handlers are of one type, made by their constructor, whose parameters come from the services.</summary>
/// <typeparam name="THandler">The type.</typeparam>
/// <param name="address">Where to listen: <c>127.0.0.1:8009</c> for example.</param>
/// <param name="concurrency">Where handlers run; null for <see cref="Concurrency.Threads"/>.</param>
/// <param name="options">How; null for the defaults. <see cref="ServerOptions.Sessions"/> has the limits.</param>
/// <param name="services">Gives the parameters of the handler's constructor, from a scope for each session that ends after the handler;
/// null for none.</param>
public class UdpSessionServer<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(ServerAddress address, Concurrency? concurrency = null, ServerOptions? options = null, IServiceProvider? services = null)
    : UdpSessionServer(address, HandlerSource<DatagramSessionHandler>.Of<THandler>(services), concurrency, options)
    where THandler : DatagramSessionHandler;
