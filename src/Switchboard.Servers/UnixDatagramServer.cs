using System.Diagnostics.CodeAnalysis;

namespace Switchboard.Servers;

/// <summary>A server on a Unix datagram socket.</summary>
public class UnixDatagramServer : DatagramServer
{
    /// <summary>A server whose handler is a lambda.</summary>
    /// <param name="address">Where to listen: <c>unix:/run/app.sock</c> for example.</param>
    /// <param name="handler">Serves a datagram.</param>
    /// <param name="concurrency">Where handlers run; null for <see cref="Concurrency.Threads"/>.</param>
    /// <param name="options">How; null for the defaults.</param>
    public UnixDatagramServer(ServerAddress address, Func<Datagram, CancellationToken, Task> handler, Concurrency? concurrency = null, ServerOptions? options = null)
        : this(address, HandlerSource<DatagramRequestHandler>.Of(handler, () => new LambdaDatagramHandler(handler)), concurrency, options)
    {
    }

    /// <summary>A server whose handlers come from a factory.</summary>
    /// <param name="address">Where to listen: <c>unix:/run/app.sock</c> for example.</param>
    /// <param name="factory">Makes a new handler for each datagram.</param>
    /// <param name="concurrency">Where handlers run; null for <see cref="Concurrency.Threads"/>.</param>
    /// <param name="options">How; null for the defaults.</param>
    public UnixDatagramServer(ServerAddress address, Func<DatagramRequestHandler> factory, Concurrency? concurrency = null, ServerOptions? options = null)
        : this(address, HandlerSource<DatagramRequestHandler>.From(factory, isBlocking: false), concurrency, options)
    {
    }

    internal UnixDatagramServer(ServerAddress address, HandlerSource<DatagramRequestHandler> handlers, Concurrency? concurrency, ServerOptions? options)
        : base(Checked(address, nameof(UnixDatagramServer), nameof(UdpServer)), handlers, concurrency ?? Concurrency.Threads(), options, "Unix datagram")
    {
    }

    internal static ServerAddress Checked(ServerAddress address, string server, string other) => address.Local is System.Net.Sockets.UnixDomainSocketEndPoint
        ? address
        : throw new ArgumentException($"{server} can't listen on {address}. Give it unix:PATH, or use {other}.", nameof(address));
}

/// <summary>A server on a Unix datagram socket. Its handlers are of one type, made by their constructor, whose parameters come from the services.</summary>
/// <typeparam name="THandler">The type.</typeparam>
/// <param name="address">Where to listen: <c>unix:/run/app.sock</c> for example.</param>
/// <param name="concurrency">Where handlers run; null for <see cref="Concurrency.Threads"/>.</param>
/// <param name="options">How; null for the defaults.</param>
/// <param name="services">Gives the parameters of the handler's constructor, from a scope for each call that ends after the handler; null for
/// none.</param>
public class UnixDatagramServer<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(ServerAddress address, Concurrency? concurrency = null, ServerOptions? options = null, IServiceProvider? services = null)
    : UnixDatagramServer(address, HandlerSource<DatagramRequestHandler>.Of<THandler>(services), concurrency, options)
    where THandler : DatagramRequestHandler;
