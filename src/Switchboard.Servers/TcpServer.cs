using System.Diagnostics.CodeAnalysis;

namespace Switchboard.Servers;

/// <summary>A server on a TCP socket, IPv4, IPv6 or both.</summary>
public class TcpServer : StreamServer
{
    /// <summary>A server whose handler is a lambda.</summary>
    /// <param name="address">Where to listen: <c>127.0.0.1:8009</c> for example.</param>
    /// <param name="handler">Serves a call; the connection ends when it returns.</param>
    /// <param name="concurrency">Where calls run; null for <see cref="Concurrency.Threads"/>.</param>
    /// <param name="options">How; null for the defaults.</param>
    public TcpServer(ServerAddress address, Func<Connection, CancellationToken, Task> handler, Concurrency? concurrency = null, ServerOptions? options = null)
        : this(address, HandlerSource<CallHandler>.Of(handler, () => new LambdaHandler(handler)), concurrency, options)
    {
    }

    /// <summary>A server whose handlers come from a factory.</summary>
    /// <param name="address">Where to listen: <c>127.0.0.1:8009</c> for example.</param>
    /// <param name="factory">Makes a new handler for each call.</param>
    /// <param name="concurrency">Where calls run; null for <see cref="Concurrency.Threads"/>.</param>
    /// <param name="options">How; null for the defaults.</param>
    public TcpServer(ServerAddress address, Func<RequestHandler> factory, Concurrency? concurrency = null, ServerOptions? options = null)
        : this(address, HandlerSource<CallHandler>.From(factory, isBlocking: false), concurrency, options)
    {
    }

    /// <summary>A server whose handlers block their thread and come from a factory.</summary>
    /// <param name="address">Where to listen: <c>127.0.0.1:8009</c> for example.</param>
    /// <param name="factory">Makes a new handler for each call.</param>
    /// <param name="concurrency">Where calls run; null for <see cref="Concurrency.Threads"/>. An event loop is refused.</param>
    /// <param name="options">How; null for the defaults.</param>
    public TcpServer(ServerAddress address, Func<BlockingRequestHandler> factory, Concurrency? concurrency = null, ServerOptions? options = null)
        : this(address, HandlerSource<CallHandler>.From(factory, isBlocking: true), concurrency, options)
    {
    }

    internal TcpServer(ServerAddress address, HandlerSource<CallHandler> handlers, Concurrency? concurrency, ServerOptions? options)
        : base(Checked(address), handlers, concurrency ?? Concurrency.Threads(), options, "TCP")
    {
    }

    private static ServerAddress Checked(ServerAddress address) => address.Local is System.Net.IPEndPoint
        ? address
        : throw new ArgumentException($"TcpServer can't listen on {address}. Give it HOST:PORT, or use UnixStreamServer.", nameof(address));
}

/// <summary>A server on a TCP socket, IPv4, IPv6 or both. Its handlers are of one type, made by their constructor, whose parameters come from the services.</summary>
/// <typeparam name="THandler">A <see cref="RequestHandler"/> or <see cref="BlockingRequestHandler"/>.</typeparam>
/// <param name="address">Where to listen: <c>127.0.0.1:8009</c> for example.</param>
/// <param name="concurrency">Where calls run; null for <see cref="Concurrency.Threads"/>.</param>
/// <param name="options">How; null for the defaults.</param>
/// <param name="services">Gives the parameters of the handler's constructor, from a scope for each call that ends after the handler; null for
/// none.</param>
public class TcpServer<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(ServerAddress address, Concurrency? concurrency = null, ServerOptions? options = null, IServiceProvider? services = null)
    : TcpServer(address, HandlerSource<CallHandler>.Of<THandler>(services), concurrency, options)
    where THandler : CallHandler;
