namespace Switchboard.Servers;

/// <summary>Two connections joined in memory, for tests of handlers without a socket: have <see cref="ServeAsync(CallHandler)"/>
/// run the handler at the server's end, and be the caller at <see cref="Client"/>. Reads, writes, framings, sizes and ends
/// are as on a socket; time limits do not apply, and there is no thread of the call's own.</summary>
public sealed class ConnectionPair : IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly MemoryTransport _server;
    private volatile CallHandler? _handler;

    /// <summary>Joins two connections.</summary>
    /// <param name="limits">The limits of both ends; null for the defaults.</param>
    public ConnectionPair(ConnectionLimits? limits = null)
    {
        var there = new MemoryDirection();
        var back = new MemoryDirection();
        limits ??= ConnectionLimits.Default;
        var client = new MemoryTransport(back, there);
        _server = new MemoryTransport(there, back);
        Client = new Connection(Connection.NextId(), client, limits, CancellationToken.None);
        Server = new Connection(Connection.NextId(), _server, limits, _stopping.Token);
        client.Belong(Client);
        _server.Belong(Server);
    }

    /// <summary>The caller's end.</summary>
    public Connection Client { get; }

    /// <summary>The handler's end.</summary>
    public Connection Server { get; }

    /// <summary>Serves the server's end as a server does: runs the handler and disposes it, sends what is waiting, closes. A
    /// <see cref="BlockingRequestHandler"/> gets a thread of its own.</summary>
    /// <param name="handler">A new handler.</param>
    /// <returns>How the connection ended; what the handler threw is its <see cref="ConnectionEnd.Exception"/>.</returns>
    public async Task<ConnectionEnd> ServeAsync(CallHandler handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        _handler = handler;
        var runner = new HandlerRunner<CallHandler, Connection>(HandlerSource<CallHandler>.From(() => handler, handler.IsBlocking), static (handler, connection, stop) => handler.RunAsync(connection, stop), (_, exception) => Left(exception));
        try
        {
            await (handler.IsBlocking
                ? Task.Factory.StartNew(() => runner.RunAsync(Server, _stopping.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap()
                : runner.RunAsync(Server, _stopping.Token)).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Left(exception);
        }
        await Server.Transport.FlushAsync().ConfigureAwait(false);
        return CloseServer();
    }

    private void Left(Exception exception)
    {
        if (exception is OperationCanceledException && _stopping.IsCancellationRequested)
        {
            Server.SetCause(ConnectionEndReason.Stopped, null);
        }
        else if (exception is not ConnectionEndedException)
        {
            Server.SetCause(ConnectionEndReason.HandlerFailed, exception);
        }
    }

    /// <summary>As <see cref="ServeAsync(CallHandler)"/>, with a handler that is a lambda.</summary>
    /// <param name="handler">Serves the call.</param>
    /// <returns>How the connection ended.</returns>
    public Task<ConnectionEnd> ServeAsync(Func<Connection, CancellationToken, Task> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return ServeAsync(new LambdaHandler(handler));
    }

    /// <summary>Does what a server's stop does: cancels <see cref="Connection.Stopping"/> of the server's end, and ends the
    /// input of a blocking handler.</summary>
    public void Stop()
    {
        if (_handler is { IsBlocking: true })
        {
            Server.SetCause(ConnectionEndReason.Stopped, null);
            _server.EndInput();
        }
        _stopping.Cancel();
    }

    /// <summary>Closes the server's end, as a server does when the handler has returned.</summary>
    /// <returns>How it ended.</returns>
    public ConnectionEnd CloseServer() => Server.Close();

    /// <summary>Closes the caller's end.</summary>
    /// <returns>How it ended.</returns>
    public ConnectionEnd CloseClient() => Client.Close();

    /// <summary>Closes both ends.</summary>
    public void Dispose()
    {
        CloseClient();
        CloseServer();
        _stopping.Dispose();
    }
}
