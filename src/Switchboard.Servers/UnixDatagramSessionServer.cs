using System.Diagnostics.CodeAnalysis;

namespace Switchboard.Servers;

/// <summary>A server on a Unix datagram socket in which all datagrams of one peer, the address that its socket is bound to, go to
/// one running handler: see <see cref="DatagramSessionServer"/>.</summary>
/// <remarks>A peer whose socket is not bound has no address, by which its datagrams could be told from those of others (unix(7)):
/// they are dropped and counted, and a warning says so once a minute.</remarks>
public class UnixDatagramSessionServer : DatagramSessionServer
{
    /// <summary>A server whose handler is a lambda.</summary>
    /// <param name="address">Where to listen: <c>unix:/run/app.sock</c> for example.</param>
    /// <param name="handler">Serves a session from its first datagram on.</param>
    /// <param name="concurrency">Where handlers run; null for <see cref="Concurrency.Threads"/>.</param>
    /// <param name="options">How; null for the defaults. <see cref="ServerOptions.Sessions"/> has the limits.</param>
    /// <exception cref="ArgumentException">The address is not that of a Unix socket; the model can't run so many sessions at once;
    /// <see cref="CallerLimits.AcceptsPerSecond"/> is set, which would hold up the sessions that run; or
    /// <see cref="DatagramSessionOptions.SessionsPerAddress"/> is, though each address has one peer.</exception>
    public UnixDatagramSessionServer(ServerAddress address, Func<DatagramSession, CancellationToken, Task> handler, Concurrency? concurrency = null, ServerOptions? options = null)
        : this(address, HandlerSource<DatagramSessionHandler>.Of(handler, () => new LambdaDatagramSessionHandler(handler)), concurrency, options)
    {
    }

    /// <summary>A server whose handlers come from a factory.</summary>
    /// <param name="address">Where to listen: <c>unix:/run/app.sock</c> for example.</param>
    /// <param name="factory">Makes a new handler for each session.</param>
    /// <param name="concurrency">Where handlers run; null for <see cref="Concurrency.Threads"/>.</param>
    /// <param name="options">How; null for the defaults. <see cref="ServerOptions.Sessions"/> has the limits.</param>
    /// <exception cref="ArgumentException">As of the other constructor.</exception>
    public UnixDatagramSessionServer(ServerAddress address, Func<DatagramSessionHandler> factory, Concurrency? concurrency = null, ServerOptions? options = null)
        : this(address, HandlerSource<DatagramSessionHandler>.From(factory, isBlocking: false), concurrency, options)
    {
    }

    internal UnixDatagramSessionServer(ServerAddress address, HandlerSource<DatagramSessionHandler> handlers, Concurrency? concurrency, ServerOptions? options)
        : base(UnixDatagramServer.Checked(address, nameof(UnixDatagramSessionServer), nameof(UdpSessionServer)), handlers, concurrency ?? Concurrency.Threads(), Checked(options), "Unix datagram sessions")
    {
    }

    private static ServerOptions? Checked(ServerOptions? options) => options?.Sessions.SessionsPerAddress is { } most
        ? throw new ArgumentException($"DatagramSessionOptions.SessionsPerAddress is {most}, and it counts IP addresses: on a Unix socket each peer has an address of its own. Leave it null, and bound all sessions by DatagramSessionOptions.Sessions (now {options.Sessions.Sessions}).", nameof(options))
        : options;
}

/// <summary>A server of sessions on a Unix datagram socket. Its handlers are of one type, made by their constructor, whose parameters come from the services.</summary>
/// <typeparam name="THandler">The type.</typeparam>
/// <param name="address">Where to listen: <c>unix:/run/app.sock</c> for example.</param>
/// <param name="concurrency">Where handlers run; null for <see cref="Concurrency.Threads"/>.</param>
/// <param name="options">How; null for the defaults. <see cref="ServerOptions.Sessions"/> has the limits.</param>
/// <param name="services">Gives the parameters of the handler's constructor, from a scope for each session that ends after the handler;
/// null for none.</param>
public class UnixDatagramSessionServer<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(ServerAddress address, Concurrency? concurrency = null, ServerOptions? options = null, IServiceProvider? services = null)
    : UnixDatagramSessionServer(address, HandlerSource<DatagramSessionHandler>.Of<THandler>(services), concurrency, options)
    where THandler : DatagramSessionHandler;
