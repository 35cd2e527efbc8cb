using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>Several servers that live and end together: TCP, Unix, UDP, each with its own options, limits and handler. Any
/// thread may call its members, handlers too.</summary>
/// <remarks>Servers that were given the same <see cref="Concurrency.EventLoop"/> object share its loops: their handlers on one
/// loop never run at the same time, so that what they share needs no lock, and callers are dealt over the loops by what all
/// of these servers have.</remarks>
public sealed class ServerGroup : IAsyncDisposable
{
    private readonly SocketServer[] _servers;
    private readonly SharedLoops[] _loops;
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private ServerGroupException? _failure;
    private bool _isWatching;
    private Task? _start;

    /// <summary>Makes a group of servers that have not started yet.</summary>
    /// <param name="servers">The servers, one or more; each belongs to one group.</param>
    /// <exception cref="InvalidOperationException">A server is bound or stopped already, or belongs to a group.</exception>
    public ServerGroup(params IEnumerable<SocketServer> servers)
    {
        ArgumentNullException.ThrowIfNull(servers);
        _servers = [.. servers];
        if (_servers.Length == 0)
        {
            throw new ArgumentException("A group needs one server at least.", nameof(servers));
        }
        var loops = new List<SharedLoops>();
        foreach (IGrouping<Concurrency, SocketServer> same in _servers.GroupBy(server => server.Concurrency))
        {
            SharedLoops? shared = same.Key.LoopCount is { } count && same.Skip(1).Any() ? new SharedLoops(count) : null;
            foreach (SocketServer server in same)
            {
                server.JoinGroup(shared);
            }
            if (shared is not null)
            {
                loops.Add(shared);
            }
        }
        _loops = [.. loops];
    }

    /// <summary>One handler on several addresses: a <see cref="TcpServer"/> or a <see cref="UnixStreamServer"/> for each.</summary>
    /// <param name="addresses">Where to listen.</param>
    /// <param name="handler">Serves a call; the connection ends when it returns.</param>
    /// <param name="concurrency">Where calls run; null for <see cref="Concurrency.Threads"/>. Event loops are shared.</param>
    /// <param name="options">How, for each server; null for the defaults.</param>
    /// <returns>The group.</returns>
    public static ServerGroup Of(IEnumerable<ServerAddress> addresses, Func<Connection, CancellationToken, Task> handler, Concurrency? concurrency = null, ServerOptions? options = null) =>
        Of(addresses, HandlerSource<CallHandler>.Of(handler, () => new LambdaHandler(handler)), concurrency, options);

    /// <summary>One kind of handler on several addresses: a <see cref="TcpServer"/> or a <see cref="UnixStreamServer"/> for
    /// each.</summary>
    /// <param name="addresses">Where to listen.</param>
    /// <param name="factory">Makes a new handler for each call.</param>
    /// <param name="concurrency">Where calls run; null for <see cref="Concurrency.Threads"/>. Event loops are shared.</param>
    /// <param name="options">How, for each server; null for the defaults.</param>
    /// <returns>The group.</returns>
    public static ServerGroup Of(IEnumerable<ServerAddress> addresses, Func<RequestHandler> factory, Concurrency? concurrency = null, ServerOptions? options = null) =>
        Of(addresses, HandlerSource<CallHandler>.From(factory, isBlocking: false), concurrency, options);

    private static ServerGroup Of(IEnumerable<ServerAddress> addresses, HandlerSource<CallHandler> handlers, Concurrency? concurrency, ServerOptions? options)
    {
        ArgumentNullException.ThrowIfNull(addresses);
        return new ServerGroup(addresses.Select(address => StreamServer.On(address, handlers, concurrency, options)));
    }

    /// <summary>True if a server that fails ends the others; false if they go on, and <see cref="Completion"/> fails when all have
    /// ended. Default true.</summary>
    public bool EndsTogether { get; init; } = true;

    /// <summary>The servers, in the order in which they were given.</summary>
    public IReadOnlyList<SocketServer> Servers => _servers;

    /// <summary>Completes when all servers have ended; fails with the first failure of one, after which the others are
    /// stopped if <see cref="EndsTogether"/>. A server that is stopped by itself leaves the others alone.</summary>
    public Task Completion => _completion.Task;

    /// <summary>What all servers have done so far.</summary>
    public ServerStatistics Statistics => ServerStatistics.Sum(_servers.Select(server => server.Statistics));

    /// <summary>The connections that are being served, at this moment.</summary>
    public IReadOnlyCollection<Connection> Connections => [.. Streams.SelectMany(server => server.Connections)];

    private IEnumerable<StreamServer> Streams => _servers.OfType<StreamServer>();

    /// <summary>A connection that is being served. Looks at each of them.</summary>
    /// <param name="id">Its <see cref="Connection.Id"/>.</param>
    /// <returns>The connection, or null if it has ended or never was.</returns>
    public Connection? Find(long id) => Streams.Select(server => server.Find(id)).FirstOrDefault(found => found is not null);

    /// <summary>Copies a message for every connection that is being served, as <see cref="Connection.TrySend"/> does. Never
    /// waits.</summary>
    /// <param name="message">The bytes.</param>
    /// <param name="to">Which connections; null for all.</param>
    /// <returns>How many took it.</returns>
    public int Broadcast(ReadOnlySpan<byte> message, Predicate<Connection>? to = null)
    {
        int took = 0;
        foreach (StreamServer server in Streams)
        {
            took += server.Broadcast(message, to);
        }
        return took;
    }

    /// <summary>Ends a connection at once, as <see cref="StreamServer.End"/>.</summary>
    /// <param name="id">Its <see cref="Connection.Id"/>.</param>
    /// <param name="why">A sentence for its end; null for none.</param>
    /// <returns>False if it has ended or never was.</returns>
    public bool End(long id, string? why = null) => Streams.Any(server => server.End(id, why));

    /// <summary>Gives all servers their addresses, or none; callers can't come in yet. Done by <see cref="StartAsync"/> if it was not
    /// done before; call it for what must come between, such as <see cref="Privileges.DropTo(Account)"/>.</summary>
    /// <exception cref="ServerGroupException">A server failed; the exception says which, and why. The others are stopped and their
    /// addresses free again.</exception>
    public void Bind()
    {
        foreach (SocketServer server in _servers)
        {
            try
            {
                server.Bind();
            }
            catch (Exception exception) when (IsOfStart(exception))
            {
                // Nothing runs yet that would have to be waited for.
                _ = StopAfterAsync(server, exception);
                throw _failure!;
            }
        }
    }

    /// <summary>Starts all servers, or none: all are bound before the first takes a caller, and if one fails, the others are
    /// stopped and their addresses free again.</summary>
    /// <param name="cancellation">Ends the start.</param>
    /// <returns>Completes when callers can connect to all.</returns>
    /// <exception cref="ServerGroupException">A server failed; the exception says which, and why.</exception>
    public Task StartAsync(CancellationToken cancellation = default)
    {
        if (cancellation.IsCancellationRequested)
        {
            return Task.FromCanceled(cancellation);
        }
        lock (_gate)
        {
            return _start ??= StartAllAsync();
        }
    }

    private async Task StartAllAsync()
    {
        Bind();
        SocketServer current = _servers[0];
        try
        {
            foreach (SocketServer server in _servers)
            {
                current = server;
                server.Activate();
            }
            foreach (SocketServer server in _servers)
            {
                current = server;
                await server.StartAsync().ConfigureAwait(false);
            }
        }
        catch (Exception exception) when (IsOfStart(exception))
        {
            await StopAfterAsync(current, exception).ConfigureAwait(false);
            throw _failure!;
        }
        Watch();
    }

    private static bool IsOfStart(Exception exception) => exception is IOException or InvalidOperationException or UnauthorizedAccessException;

    private async Task StopAfterAsync(SocketServer failed, Exception exception)
    {
        _failure = new ServerGroupException(failed, $"{failed.Name} could not be started, so none of the group is: {exception.Message}", exception);
        await StopAsync(TimeSpan.Zero).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Starts and serves until it is stopped.</summary>
    /// <param name="stop">Stops the servers, each with its <see cref="ServerOptions.Grace"/> for the calls that run.</param>
    /// <returns>Completes when all have ended.</returns>
    public async Task ServeForeverAsync(CancellationToken stop = default)
    {
        await StartAsync(CancellationToken.None).ConfigureAwait(false);
        await using CancellationTokenRegistration registration = stop.UnsafeRegister(static self => _ = ((ServerGroup)self!).StopAsync(), this);
        await Completion.ConfigureAwait(false);
    }

    /// <summary>Stops all servers at once, as <see cref="SocketServer.StopAsync(TimeSpan?)"/> does one.</summary>
    /// <param name="grace">The grace time; null for that of each server's options.</param>
    /// <returns>Completes when all have ended; of a server whose handler asks, when its other calls have.</returns>
    public Task StopAsync(TimeSpan? grace = null)
    {
        Task[] stops = [.. _servers.Select(server => server.StopAsync(grace))];
        Watch();
        return Task.WhenAll(stops);
    }

    /// <summary>Stops all servers, each with its <see cref="ServerOptions.Grace"/>, and frees everything.</summary>
    /// <returns>Completes when nothing of them is left.</returns>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        if (EventLoop.Current is null)
        {
            await Task.WhenAll(_loops.Select(loops => loops.Ended)).ConfigureAwait(false);
        }
    }

    private void Watch()
    {
        lock (_gate)
        {
            if (_isWatching)
            {
                return;
            }
            _isWatching = true;
        }
        _ = WatchAsync();
    }

    private async Task WatchAsync()
    {
        await Task.WhenAll(_servers.Select(WatchAsync)).ConfigureAwait(false);
        await Task.WhenAll(_loops.Select(loops => loops.Ended)).ConfigureAwait(false);
        if (_failure is null)
        {
            _completion.TrySetResult();
        }
        else
        {
            _completion.TrySetException(_failure);
            // Who stops the group instead of awaiting its completion learns it there.
            _ = _completion.Task.Exception;
        }
    }

    private async Task WatchAsync(SocketServer server)
    {
        try
        {
            await server.Completion.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            var failure = new ServerGroupException(server, $"{server.Name} failed{(EndsTogether ? ", so the others of its group were stopped" : "")}: {exception.Message}", exception);
            if (Interlocked.CompareExchange(ref _failure, failure, null) is null && EndsTogether)
            {
                foreach (SocketServer other in _servers)
                {
                    _ = other.StopAsync();
                }
            }
        }
    }
}

/// <summary>A server of a group could not be started, or failed; the others were stopped.</summary>
/// <param name="server">Which.</param>
/// <param name="message">A sentence: which, what happened, and what to do.</param>
/// <param name="inner">Its failure.</param>
public sealed class ServerGroupException(SocketServer server, string message, Exception inner) : IOException(message, inner)
{
    /// <summary>The server that failed.</summary>
    public SocketServer Server { get; } = server;
}
