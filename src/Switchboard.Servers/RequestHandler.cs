namespace Switchboard.Servers;

/// <summary>Serves one call. A new object serves each. Derive from <see cref="RequestHandler"/> or
/// <see cref="BlockingRequestHandler"/>.</summary>
/// <remarks>A handler that is <see cref="IAsyncDisposable"/> or <see cref="IDisposable"/> is disposed by its server after
/// finish, once, also when setup or handle failed, on the call's own thread or loop; of both, asynchronously. Then the connection
/// ends. One whose type is registered in the services that the server was given is disposed by them.</remarks>
public abstract class CallHandler
{
    private Connection? _connection;

    private protected CallHandler()
    {
    }

    /// <summary>The caller.</summary>
    /// <exception cref="InvalidOperationException">The handler serves no call yet.</exception>
    public Connection Connection => _connection ?? throw new InvalidOperationException("The handler serves no call yet. Use the connection in Setup, Handle and Finish, not in the constructor.");

    /// <summary>True if the handler blocks its thread while it waits.</summary>
    internal abstract bool IsBlocking { get; }

    internal void Take(Connection connection)
    {
        if (Interlocked.CompareExchange(ref _connection, connection, null) is not null)
        {
            throw new HandlerTakenException(this, $"{_connection}", "call");
        }
        connection.HandlerType = GetType();
    }

    /// <summary>Serves a call from beginning to end: setup, handle, and finish even if handle failed.</summary>
    /// <param name="connection">The caller.</param>
    /// <param name="stop">Cancelled when the server stops.</param>
    /// <returns>Completes when the call is served.</returns>
    public abstract Task RunAsync(Connection connection, CancellationToken stop = default);
}

/// <summary>
/// Serves one call by awaiting: it runs unchanged under every concurrency model, one piece at a time, and each await
/// comes back to the call's own thread or loop. Override <see cref="HandleAsync"/>, and the other two where a call needs
/// something made before or ended after.
/// </summary>
public abstract class RequestHandler : CallHandler
{
    internal sealed override bool IsBlocking => false;

    /// <summary>Prepares the call. If it fails, neither handle nor finish runs.</summary>
    /// <param name="stop">Cancelled when the server stops.</param>
    /// <returns>Completes when the call is prepared.</returns>
    protected virtual Task SetupAsync(CancellationToken stop) => Task.CompletedTask;

    /// <summary>Serves the call; the connection ends when it returns.</summary>
    /// <param name="stop">Cancelled when the server stops; leaving by <see cref="OperationCanceledException"/> is then a
    /// normal end.</param>
    /// <returns>Completes when the call is served.</returns>
    protected abstract Task HandleAsync(CancellationToken stop);

    /// <summary>Runs after handle, whether it returned or failed.</summary>
    /// <returns>Completes when all is cleared up.</returns>
    protected virtual Task FinishAsync() => Task.CompletedTask;

    /// <inheritdoc/>
    public sealed override async Task RunAsync(Connection connection, CancellationToken stop = default)
    {
        Take(connection);
        await SetupAsync(stop);
        try
        {
            await HandleAsync(stop);
        }
        finally
        {
            await FinishAsync();
        }
    }
}

/// <summary>
/// Serves one call with plain blocking reads and writes (<see cref="Connection.Read"/>, <see cref="Connection.Write"/>,
/// <see cref="Connection.ReadMessage"/>), at a plain blocking socket's cost. It needs a thread of its own: an event loop
/// refuses it when the server is built.
/// </summary>
public abstract class BlockingRequestHandler : CallHandler
{
    internal sealed override bool IsBlocking => true;

    /// <summary>Prepares the call. If it fails, neither handle nor finish runs.</summary>
    /// <param name="stop">Cancelled when the server stops.</param>
    protected virtual void Setup(CancellationToken stop)
    {
    }

    /// <summary>Serves the call; the connection ends when it returns. When the server stops, a blocked read returns 0.</summary>
    /// <param name="stop">Cancelled when the server stops.</param>
    protected abstract void Handle(CancellationToken stop);

    /// <summary>Runs after handle, whether it returned or failed.</summary>
    protected virtual void Finish()
    {
    }

    /// <summary>Serves a call from beginning to end, on the calling thread.</summary>
    /// <param name="connection">The caller.</param>
    /// <param name="stop">Cancelled when the server stops.</param>
    /// <returns>A completed task; what the handler throws is thrown.</returns>
    public sealed override Task RunAsync(Connection connection, CancellationToken stop = default)
    {
        Take(connection);
        Setup(stop);
        try
        {
            Handle(stop);
        }
        finally
        {
            Finish();
        }
        return Task.CompletedTask;
    }
}

/// <summary>A handler that is a lambda.</summary>
internal sealed class LambdaHandler(Func<Connection, CancellationToken, Task> handle) : RequestHandler
{
    protected override Task HandleAsync(CancellationToken stop) => handle(Connection, stop);
}
