using Switchboard.Polling;

namespace Switchboard.Servers;

// The other end of the line: connections that this program opens, and so closes.
public sealed partial class Connection : IAsyncDisposable, IDisposable
{
    private CancellationTokenRegistration _stopRegistration;
    private int _disposing;

    /// <summary>True if this program opened the connection, and so has to dispose it; false if a server accepted it, which
    /// closes it when its handler has returned.</summary>
    public bool IsOutgoing { get; private init; }

    /// <summary>Connects to a server. In a handler the new connection lives where the call does, on its loop, its thread, or
    /// its row of pieces on the thread pool, so that awaits on both come back there; elsewhere it lives on the thread pool,
    /// and any thread may use it. Framings, limits, ends and views are those of a server's connections.</summary>
    /// <param name="address">Whom to reach: <c>HOST:PORT</c>, where HOST may be a name, or <c>unix:PATH</c>. The addresses of
    /// a name are tried in the order in which the name service gives them, IPv4 and IPv6 in turn; one that is silent for 250
    /// ms has the next tried beside it, and the first that answers is taken (RFC 8305 in its simplest form).</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    /// <returns>The connection. Dispose it (<c>await using</c>): what opens a connection closes it, also in a handler.
    /// <see cref="Stopping"/> is cancelled when the handler's server stops.</returns>
    /// <exception cref="ConnectFailedException">The server can't be reached, or not within
    /// <see cref="ClientOptions.ConnectTimeout"/>, or the TLS handshake failed; the message says why.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <remarks>Any thread may call it. Never wait for the task by blocking in a handler: <see cref="Connect"/> is for those
    /// that block. Source of the behaviour: <c>connect(2)</c>, <c>getaddrinfo(3)</c>.</remarks>
    public static Task<Connection> ConnectAsync(ServerAddress address, ClientOptions? options = null, CancellationToken cancellation = default)
    {
        _ = address.EndPoint;
        return cancellation.IsCancellationRequested
            ? Task.FromCanceled<Connection>(cancellation)
            : Connecting.ConnectAsync(ClientHome.Current, address, options ?? ClientOptions.Default, cancellation);
    }

    /// <summary>As <see cref="ConnectAsync"/>, blocking the calling thread until it is done: for
    /// <see cref="BlockingRequestHandler"/>, and for programs without awaits. When the handler's server stops, a blocked read
    /// of the connection returns 0.</summary>
    /// <param name="address">Whom to reach.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <returns>The connection; dispose it.</returns>
    /// <exception cref="ConnectFailedException">The server can't be reached, or the TLS handshake failed; the message says
    /// why.</exception>
    /// <exception cref="InvalidOperationException">The thread carries other connections too.</exception>
    public static Connection Connect(ServerAddress address, ClientOptions? options = null)
    {
        _ = address.EndPoint;
        ClientHome home = ClientHome.Current;
        if (EventLoop.Current is { WatchesDescriptors: true, WaitsInline: false })
        {
            throw new InvalidOperationException("This call would block the event loop and every connection on it. Use ConnectAsync, or choose Concurrency.Threads.");
        }
        Task<Connection> task = Connecting.ConnectAsync(home, address, options ?? ClientOptions.Default, CancellationToken.None);
        home.Wait(task);
        Connection connection = task.GetAwaiter().GetResult();
        connection.EndInputAtStop();
        return connection;
    }

    internal static Connection Open(ClientHome home, IDisposable socket, ClientOptions options)
    {
        StreamTransport transport = home.Carry(socket);
        var connection = new Connection(NextId(), transport, options.Limits, home.Stopping) { IsOutgoing = true };
        transport.Belong(connection);
        home.Settle(transport);
        // Reads with the stop token need no registration each; this one ends them all.
        connection._stopRegistration = home.Stopping.UnsafeRegister(static transport => ((StreamTransport)transport!).CancelStopReads(), transport);
        return connection;
    }

    private void EndInputAtStop()
    {
        _stopRegistration.Unregister();
        _stopRegistration = Stopping.UnsafeRegister(static self =>
        {
            var connection = (Connection)self!;
            connection.SetCause(ConnectionEndReason.Stopped, null);
            (connection._transport as StreamTransport)?.EndInput();
        }, this);
    }

    /// <summary>Ends a connection that this program opened, in good order: what was written goes out, within
    /// <see cref="ConnectionLimits.WriteStall"/>; the peer reads the end of input; what it has sent and nobody read is dropped.
    /// One that has failed, or was aborted, is closed at once. Of a server's connection it ends our direction only, as
    /// <see cref="CloseOutputAsync"/>: the server closes it when the handler has returned.</summary>
    /// <returns>Completes when it is closed. Never fails.</returns>
    public ValueTask DisposeAsync()
    {
        if (HasEnded)
        {
            return ValueTask.CompletedTask;
        }
        if (!IsOutgoing)
        {
            return EndOutputAsync();
        }
        if (Interlocked.Exchange(ref _disposing, 1) != 0)
        {
            return new ValueTask(Closed);
        }
        if (_transport.Context is not { } context || _transport.IsCurrent)
        {
            return EndAsync();
        }
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        context.Post(async _ =>
        {
            await EndAsync();
            ended.SetResult();
        }, null);
        return new ValueTask(ended.Task);
    }

    /// <summary>As <see cref="DisposeAsync"/>, and does not wait for it.</summary>
    public void Dispose() => _ = DisposeAsync().AsTask();

    private async ValueTask EndAsync()
    {
        await ShutdownAsync();
        Close();
    }

    private async ValueTask EndOutputAsync()
    {
        try
        {
            await CloseOutputAsync();
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException)
        {
            // It has failed meanwhile, which the handler learns elsewhere.
        }
    }
}
