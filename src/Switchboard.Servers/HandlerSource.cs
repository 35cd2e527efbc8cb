using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;

namespace Switchboard.Servers;

/// <summary>Where a server's handlers come from: a new one for each request.</summary>
/// <param name="Make">Makes one; given the services of the request's scope, or null where requests have none.</param>
/// <param name="IsBlocking">True if they block their thread.</param>
/// <param name="Name">For messages.</param>
internal sealed record HandlerSource<THandler>(Func<IServiceProvider?, THandler> Make, bool IsBlocking, string Name)
    where THandler : class
{
    /// <summary>Makes a scope of services for each request; null if requests have none.</summary>
    internal IServiceScopeFactory? Scopes { get; init; }

    /// <summary>Knows which handlers belong to the container, which disposes them with their scope; null if none does.</summary>
    internal IServiceProviderIsService? Registered { get; init; }

    internal static HandlerSource<THandler> From<T>(Func<T> factory, bool isBlocking)
        where T : class, THandler
    {
        ArgumentNullException.ThrowIfNull(factory);
        return new(_ => Checked(factory()), isBlocking, typeof(T).Name);
    }

    /// <summary>Makes handlers of a method or lambda.</summary>
    internal static HandlerSource<THandler> Of(Delegate handler, Func<THandler> make)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return new(_ => make(), IsBlocking: false, BlockedWork.Name(handler));
    }

    /// <summary>Makes handlers by a factory that is given the services of the request's scope.</summary>
    internal static HandlerSource<THandler> From<T>(Func<IServiceProvider, T> factory, IServiceProvider services)
        where T : class, THandler
    {
        ArgumentNullException.ThrowIfNull(factory);
        return new HandlerSource<THandler>(scope => Checked(factory(scope ?? services)), IsBlockingType<T>(), typeof(T).Name).With(services);
    }

    /// <summary>Makes handlers by their constructor, whose parameters come from the services; those that are services themselves
    /// come from there as they are.</summary>
    internal static HandlerSource<THandler> Of<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] T>(IServiceProvider? services)
        where T : class, THandler
    {
        if (services is null)
        {
            if (typeof(T).GetConstructor(Type.EmptyTypes) is null)
            {
                throw new ArgumentException($"{typeof(T).Name} has no public constructor without parameters. Give the server the services that its constructor takes, or a factory.", nameof(services));
            }
            return new(static _ => Activator.CreateInstance<T>(), IsBlockingType<T>(), typeof(T).Name);
        }
        if (services.GetService<IServiceProviderIsService>()?.IsService(typeof(T)) == true)
        {
            return From(static scope => scope.GetRequiredService<T>(), services);
        }
        ObjectFactory<T> factory = ActivatorUtilities.CreateFactory<T>([]);
        return new HandlerSource<THandler>(scope => factory(scope ?? services, []), IsBlockingType<T>(), typeof(T).Name).With(services);
    }

    private HandlerSource<THandler> With(IServiceProvider services) => this with
    {
        Scopes = services.GetService<IServiceScopeFactory>(),
        Registered = services.GetService<IServiceProviderIsService>(),
    };

    private static bool IsBlockingType<T>() => typeof(BlockingRequestHandler).IsAssignableFrom(typeof(T));

    private static T Checked<T>(T? made)
        where T : class => made ?? throw new InvalidOperationException($"The handler factory of {typeof(T).Name} returned null. Have it make a new handler for each request.");
}
