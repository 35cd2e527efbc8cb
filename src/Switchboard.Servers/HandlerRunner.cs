using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.DependencyInjection;

namespace Switchboard.Servers;

/// <summary>Has requests served: makes the handler of each, in a scope of services where there are any, runs it, and then disposes
/// it and its scope. Any thread.</summary>
/// <param name="source">Where handlers come from.</param>
/// <param name="run">Setup, handle and finish.</param>
/// <param name="tell">Given both where disposing throws after the request has failed already, the first cause first.</param>
internal sealed class HandlerRunner<THandler, TRequest>(HandlerSource<THandler> source, Func<THandler, TRequest, CancellationToken, Task> run, Action<TRequest, Exception> tell)
    where THandler : class
{
    private readonly ConcurrentDictionary<Type, HandlerKind> _kinds = new();
    private HandlerKind? _newest;

    /// <summary>The type of the handler that was made last; null before the first.</summary>
    internal Type? NewestType => _newest?.Type;

    /// <summary>Serves a request, on the thread or loop that it belongs to.</summary>
    internal Task RunAsync(TRequest request, CancellationToken stop) => source.Scopes is { } scopes
        ? RunInScopeAsync(scopes.CreateAsyncScope(), request, stop)
        : RunAsync(source.Make(null), request, stop);

    private Task RunAsync(THandler handler, TRequest request, CancellationToken stop) =>
        KindOf(handler).IsDisposedHere ? RunAndDisposeAsync(handler, request, stop) : run(handler, request, stop);

    private async Task RunInScopeAsync(AsyncServiceScope scope, TRequest request, CancellationToken stop)
    {
        try
        {
            await RunAsync(source.Make(scope.ServiceProvider), request, stop);
        }
        catch (Exception exception)
        {
            await DisposeAfterAsync(exception, scope, request);
            return;
        }
        await scope.DisposeAsync();
    }

    private async Task RunAndDisposeAsync(THandler handler, TRequest request, CancellationToken stop)
    {
        try
        {
            await run(handler, request, stop);
        }
        catch (Exception exception) when ((exception as HandlerTakenException)?.Handler != handler)
        {
            await DisposeAfterAsync(exception, handler, request);
            return;
        }
        await DisposeAsync(handler);
    }

    /// <summary>Disposes what belongs to a request that failed, which fails with that, or with both.</summary>
    private async Task DisposeAfterAsync(Exception failure, object disposable, TRequest request)
    {
        try
        {
            await DisposeAsync(disposable);
        }
        catch (Exception further)
        {
            tell(request, failure);
            tell(request, further);
            return;
        }
        ExceptionDispatchInfo.Throw(failure);
    }

    private static ValueTask DisposeAsync(object disposable)
    {
        if (disposable is IAsyncDisposable asynchronous)
        {
            return asynchronous.DisposeAsync();
        }
        ((IDisposable)disposable).Dispose();
        return ValueTask.CompletedTask;
    }

    private HandlerKind KindOf(THandler handler)
    {
        Type type = handler.GetType();
        HandlerKind? newest = _newest;
        if (newest?.Type != type)
        {
            _newest = newest = _kinds.GetOrAdd(type, static (type, source) => new HandlerKind(type, IsDisposedHere(type, source)), source);
        }
        return newest;
    }

    private static bool IsDisposedHere(Type type, HandlerSource<THandler> source) =>
        (typeof(IAsyncDisposable).IsAssignableFrom(type) || typeof(IDisposable).IsAssignableFrom(type)) && source.Registered?.IsService(type) != true;

    /// <summary>What is decided once for each type of handlers.</summary>
    private sealed record HandlerKind(Type Type, bool IsDisposedHere);
}
