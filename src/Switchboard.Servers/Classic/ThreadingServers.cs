using System.Diagnostics.CodeAnalysis;

namespace Switchboard.Servers.Classic;

/// <summary>CPython's <c>socketserver.ThreadingTCPServer</c>: a thread for each connection.</summary>
/// <typeparam name="THandler">The handler.</typeparam>
/// <param name="address">Where to listen.</param>
/// <param name="options">How; null for the defaults.</param>
/// <param name="services">As those of the server that it derives from; null for none.</param>
public class ThreadingTcpServer<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(ServerAddress address, ServerOptions? options = null, IServiceProvider? services = null)
    : TcpServer<THandler>(address, Concurrency.Threads(), options, services)
    where THandler : CallHandler;

/// <summary>CPython's <c>socketserver.ThreadingUnixStreamServer</c>: a thread for each connection.</summary>
/// <typeparam name="THandler">The handler.</typeparam>
/// <param name="address">Where to listen.</param>
/// <param name="options">How; null for the defaults.</param>
/// <param name="services">As those of the server that it derives from; null for none.</param>
public class ThreadingUnixStreamServer<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(ServerAddress address, ServerOptions? options = null, IServiceProvider? services = null)
    : UnixStreamServer<THandler>(address, Concurrency.Threads(), options, services)
    where THandler : CallHandler;

/// <summary>CPython's <c>socketserver.ThreadingUDPServer</c>: a thread for each datagram.</summary>
/// <typeparam name="THandler">The handler.</typeparam>
/// <param name="address">Where to listen.</param>
/// <param name="options">How; null for the defaults.</param>
/// <param name="services">As those of the server that it derives from; null for none.</param>
public class ThreadingUdpServer<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(ServerAddress address, ServerOptions? options = null, IServiceProvider? services = null)
    : UdpServer<THandler>(address, Concurrency.Threads(), options, services)
    where THandler : DatagramRequestHandler;

/// <summary>CPython's <c>socketserver.ThreadingUnixDatagramServer</c>: a thread for each datagram.</summary>
/// <typeparam name="THandler">The handler.</typeparam>
/// <param name="address">Where to listen.</param>
/// <param name="options">How; null for the defaults.</param>
/// <param name="services">As those of the server that it derives from; null for none.</param>
public class ThreadingUnixDatagramServer<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(ServerAddress address, ServerOptions? options = null, IServiceProvider? services = null)
    : UnixDatagramServer<THandler>(address, Concurrency.Threads(), options, services)
    where THandler : DatagramRequestHandler;
