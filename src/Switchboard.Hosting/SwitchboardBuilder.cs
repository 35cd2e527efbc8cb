using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>Takes the endpoints of a host. Each has a name, under which it stands in the configuration, in logs and in
/// metrics.</summary>
public sealed class SwitchboardBuilder
{
    internal SwitchboardBuilder(IServiceCollection services) => Services = services;

    /// <summary>The host's services.</summary>
    public IServiceCollection Services { get; }

    /// <summary>Changes how all servers are treated.</summary>
    /// <param name="configure">Changes the options.</param>
    /// <returns>This.</returns>
    public SwitchboardBuilder Configure(Action<SwitchboardOptions> configure)
    {
        Services.Configure(configure);
        return this;
    }

    /// <summary>Adds an endpoint of connections, TCP or Unix, each of which is served by a handler of a type: made from a scope of
    /// services of its own, by its constructor, or as the service that it is registered as. Handler and scope are disposed after
    /// the call.</summary>
    /// <typeparam name="THandler">A <see cref="RequestHandler"/> or <see cref="BlockingRequestHandler"/>.</typeparam>
    /// <param name="name">The endpoint's name, once in a host.</param>
    /// <param name="configure">Sets its address and options; null if the configuration does.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There is an endpoint of that name.</exception>
    public SwitchboardBuilder AddStream<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(string name, Action<EndpointOptions>? configure = null)
        where THandler : CallHandler =>
        AddServer(name, static (services, endpoint) => EndpointRegistration.Streams(HandlerSource<CallHandler>.Of<THandler>(services), endpoint), configure);

    /// <summary>Adds an endpoint of connections whose handler is a lambda.</summary>
    /// <param name="name">The endpoint's name, once in a host.</param>
    /// <param name="handler">Serves a call; the connection ends when it returns.</param>
    /// <param name="configure">Sets its address and options; null if the configuration does.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There is an endpoint of that name.</exception>
    public SwitchboardBuilder AddStream(string name, Func<Connection, CancellationToken, Task> handler, Action<EndpointOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return AddServer(name, (_, endpoint) => EndpointRegistration.Streams(HandlerSource<CallHandler>.Of(handler, () => new LambdaHandler(handler)), endpoint), configure);
    }

    /// <summary>Adds an endpoint of connections whose handlers come from a factory.</summary>
    /// <param name="name">The endpoint's name, once in a host.</param>
    /// <param name="factory">Makes a new handler for each call; it is given the services of the call's scope.</param>
    /// <param name="configure">Sets its address and options; null if the configuration does.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There is an endpoint of that name.</exception>
    public SwitchboardBuilder AddStream(string name, Func<IServiceProvider, RequestHandler> factory, Action<EndpointOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(factory);
        return AddServer(name, (services, endpoint) => EndpointRegistration.Streams(HandlerSource<CallHandler>.From(factory, services), endpoint), configure);
    }

    /// <summary>Adds an endpoint of connections whose handlers block their thread and come from a factory.</summary>
    /// <param name="name">The endpoint's name, once in a host.</param>
    /// <param name="factory">Makes a new handler for each call; it is given the services of the call's scope.</param>
    /// <param name="configure">Sets its address and options; null if the configuration does. An event loop is refused.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There is an endpoint of that name.</exception>
    public SwitchboardBuilder AddStream(string name, Func<IServiceProvider, BlockingRequestHandler> factory, Action<EndpointOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(factory);
        return AddServer(name, (services, endpoint) => EndpointRegistration.Streams(HandlerSource<CallHandler>.From(factory, services), endpoint), configure);
    }

    /// <summary>Adds an endpoint of datagrams, UDP or Unix, each of which is served by a handler of a type, as
    /// <see cref="AddStream{THandler}(string, Action{EndpointOptions})"/> does with connections.</summary>
    /// <typeparam name="THandler">The type.</typeparam>
    /// <param name="name">The endpoint's name, once in a host.</param>
    /// <param name="configure">Sets its address and options; null if the configuration does.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There is an endpoint of that name.</exception>
    public SwitchboardBuilder AddDatagrams<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(string name, Action<EndpointOptions>? configure = null)
        where THandler : DatagramRequestHandler =>
        AddServer(name, static (services, endpoint) => EndpointRegistration.Datagrams(HandlerSource<DatagramRequestHandler>.Of<THandler>(services), endpoint), configure);

    /// <summary>Adds an endpoint of datagrams whose handler is a lambda.</summary>
    /// <param name="name">The endpoint's name, once in a host.</param>
    /// <param name="handler">Serves a datagram.</param>
    /// <param name="configure">Sets its address and options; null if the configuration does.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There is an endpoint of that name.</exception>
    public SwitchboardBuilder AddDatagrams(string name, Func<Datagram, CancellationToken, Task> handler, Action<EndpointOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return AddServer(name, (_, endpoint) => EndpointRegistration.Datagrams(HandlerSource<DatagramRequestHandler>.Of(handler, () => new LambdaDatagramHandler(handler)), endpoint), configure);
    }

    /// <summary>Adds an endpoint of datagrams whose handlers come from a factory.</summary>
    /// <param name="name">The endpoint's name, once in a host.</param>
    /// <param name="factory">Makes a new handler for each datagram; it is given the services of the datagram's scope.</param>
    /// <param name="configure">Sets its address and options; null if the configuration does.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There is an endpoint of that name.</exception>
    public SwitchboardBuilder AddDatagrams(string name, Func<IServiceProvider, DatagramRequestHandler> factory, Action<EndpointOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(factory);
        return AddServer(name, (services, endpoint) => EndpointRegistration.Datagrams(HandlerSource<DatagramRequestHandler>.From(factory, services), endpoint), configure);
    }

    /// <summary>Adds an endpoint of sessions, UDP or Unix: all datagrams of a peer are served by one handler of a type, made as
    /// <see cref="AddStream{THandler}(string, Action{EndpointOptions})"/> does, with a scope for the session.</summary>
    /// <typeparam name="THandler">The type.</typeparam>
    /// <param name="name">The endpoint's name, once in a host.</param>
    /// <param name="configure">Sets its address and options; null if the configuration does.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There is an endpoint of that name.</exception>
    public SwitchboardBuilder AddSessions<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(string name, Action<EndpointOptions>? configure = null)
        where THandler : DatagramSessionHandler =>
        AddServer(name, static (services, endpoint) => EndpointRegistration.Sessions(HandlerSource<DatagramSessionHandler>.Of<THandler>(services), endpoint), configure);

    /// <summary>Adds an endpoint of sessions whose handler is a lambda.</summary>
    /// <param name="name">The endpoint's name, once in a host.</param>
    /// <param name="handler">Serves a session from its first datagram on.</param>
    /// <param name="configure">Sets its address and options; null if the configuration does.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There is an endpoint of that name.</exception>
    public SwitchboardBuilder AddSessions(string name, Func<DatagramSession, CancellationToken, Task> handler, Action<EndpointOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return AddServer(name, (_, endpoint) => EndpointRegistration.Sessions(HandlerSource<DatagramSessionHandler>.Of(handler, () => new LambdaDatagramSessionHandler(handler)), endpoint), configure);
    }

    /// <summary>Adds an endpoint with a server of any kind: one with steps of its own, for example.</summary>
    /// <param name="name">The endpoint's name, once in a host.</param>
    /// <param name="make">Makes the server, when the host starts, of the options that hold; it may not have started.</param>
    /// <param name="configure">Sets its address and options; null if the configuration does.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There is an endpoint of that name.</exception>
    public SwitchboardBuilder AddServer(string name, Func<IServiceProvider, EndpointOptions, SocketServer> make, Action<EndpointOptions>? configure = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(make);
        if (Services.Any(service => service.ImplementationInstance is EndpointRegistration other && string.Equals(other.Name, name, StringComparison.OrdinalIgnoreCase)))
        {
            throw new ArgumentException($"There is an endpoint '{name}' already. Give each one a name of its own: the configuration knows it by that, whatever its case.", nameof(name));
        }
        Services.AddSingleton(new EndpointRegistration(name, make));
        OptionsBuilder<EndpointOptions> options = Services.AddOptionsWithValidateOnStart<EndpointOptions>(name);
        if (configure is not null)
        {
            options.Configure(configure);
        }
        return this;
    }
}
