using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;

namespace Switchboard.Servers;

/// <summary>Where a server's handlers come from: a new one for each request.</summary>
/// <param name="Make">Makes one.</param>
/// <param name="IsBlocking">True if they block their thread.</param>
/// <param name="Name">For messages.</param>
internal sealed record HandlerSource<THandler>(Func<THandler> Make, bool IsBlocking, string Name)
    where THandler : class
{
    internal static HandlerSource<THandler> From<T>(Func<T> factory, bool isBlocking)
        where T : class, THandler
    {
        ArgumentNullException.ThrowIfNull(factory);
        return new(() => factory() ?? throw new InvalidOperationException($"The handler factory of {typeof(T).Name} returned null. Have it make a new handler for each request."), isBlocking, typeof(T).Name);
    }

    /// <summary>Makes handlers of a method or lambda.</summary>
    internal static HandlerSource<THandler> Of(Delegate handler, Func<THandler> make)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return new(make, IsBlocking: false, BlockedWork.Name(handler));
    }

    /// <summary>Makes handlers by their constructor, whose parameters come from the services.</summary>
    internal static HandlerSource<THandler> Of<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] T>(IServiceProvider? services)
        where T : class, THandler
    {
        bool isBlocking = typeof(BlockingRequestHandler).IsAssignableFrom(typeof(T));
        if (services is null)
        {
            if (typeof(T).GetConstructor(Type.EmptyTypes) is null)
            {
                throw new ArgumentException($"{typeof(T).Name} has no public constructor without parameters. Give the server the services that its constructor takes, or a factory.", nameof(services));
            }
            return new(Activator.CreateInstance<T>, isBlocking, typeof(T).Name);
        }
        ObjectFactory<T> factory = ActivatorUtilities.CreateFactory<T>([]);
        return new(() => factory(services, []), isBlocking, typeof(T).Name);
    }
}
