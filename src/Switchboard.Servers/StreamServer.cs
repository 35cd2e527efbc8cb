using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A server of connections: TCP or Unix stream sockets. Steps and hooks are those of
/// <see cref="SocketServer{TRequest}"/>.</summary>
public abstract partial class StreamServer : SocketServer<Connection>
{
    private readonly HandlerRunner<CallHandler, Connection> _handlers;
    private readonly string _handlerName;
    private readonly bool _isBlocking;
    private readonly EndCount _endedBy = new();
    // One for all loops, or one for each: they share a port then.
    private Listener[] _listeners = [];
    private TaskListener? _taskListener;
    private readonly Admission _admission;
    private readonly ByteCount _received = new();
    private readonly ByteCount _sent = new();

    private protected StreamServer(ServerAddress address, HandlerSource<CallHandler> handlers, Concurrency concurrency, ServerOptions? options, string kind)
        : base(address, Checked(concurrency, handlers), options, kind)
    {
        _handlers = new(handlers, static (handler, connection, stop) => handler.RunAsync(connection, stop), Left);
        _handlerName = handlers.Name;
        _isBlocking = handlers.IsBlocking;
        _admission = new Admission(Options.Callers);
    }

    /// <summary>Makes the right server for an address.</summary>
    internal static StreamServer On(ServerAddress address, HandlerSource<CallHandler> handlers, Concurrency? concurrency, ServerOptions? options) => address.EndPoint is UnixDomainSocketEndPoint
        ? new UnixStreamServer(address, handlers, concurrency, options)
        : new TcpServer(address, handlers, concurrency, options);

    private static Concurrency Checked(Concurrency concurrency, HandlerSource<CallHandler> handlers) =>
        handlers.IsBlocking && concurrency is { HeldUpByBlocking: { } heldUp }
            ? throw new ArgumentException($"{handlers.Name} is a BlockingRequestHandler: it would block {heldUp}. Choose Concurrency.Threads, or derive it from RequestHandler.", nameof(concurrency))
            : concurrency;

    /// <summary>Raised once for each connection that was accepted, when it has ended; on the thread that served it.</summary>
    public event Action<Connection, ConnectionEnd>? ConnectionEnded;

    /// <summary>The connections that are being served, at this moment.</summary>
    public IReadOnlyCollection<Connection> Connections => Served;

    /// <summary>A connection that is being served. Looks at each of them; any thread may call it.</summary>
    /// <param name="id">Its <see cref="Connection.Id"/>.</param>
    /// <returns>The connection, or null if it has ended or never was.</returns>
    public Connection? Find(long id) => Array.Find(Served, connection => connection.Id == id);

    /// <summary>Copies a message for every connection that is being served, as <see cref="Connection.TrySend"/> does. Never
    /// waits; any thread may call it.</summary>
    /// <param name="message">The bytes.</param>
    /// <param name="to">Which connections; null for all.</param>
    /// <returns>How many took it. The others have ended, or more waits for them than <see cref="ConnectionLimits.PendingSend"/>
    /// allows.</returns>
    public int Broadcast(ReadOnlySpan<byte> message, Predicate<Connection>? to = null)
    {
        int took = 0;
        foreach (Connection connection in Served)
        {
            if ((to is null || to(connection)) && connection.TrySend(message))
            {
                took++;
            }
        }
        return took;
    }

    /// <summary>Ends a connection that is being served at once, with the reason <see cref="ConnectionEndReason.Aborted"/>. Any
    /// thread may call it.</summary>
    /// <param name="id">Its <see cref="Connection.Id"/>.</param>
    /// <param name="why">A sentence, which what it had pending fails with; null for none.</param>
    /// <returns>False if it has ended or never was.</returns>
    public bool End(long id, string? why = null)
    {
        Connection? connection = Find(id);
        connection?.Abort(ConnectionEndReason.Aborted, why);
        return connection is not null;
    }

    /// <inheritdoc/>
    public override ServerStatistics Statistics => new(Accepted, OpenCalls, Pauses, _endedBy.ToDictionary()) { Cut = CutCalls };

    private protected override SafeHandle Open(out EndPoint? local)
    {
        if (UsesBaseSockets)
        {
            _taskListener = Address.Descriptor is { } given
                ? TaskListener.Adopt(given, Options.Socket, TellRequest)
                : TaskListener.Bind(Address.EndPoint, Options.Socket, TellRequest);
            local = _taskListener.LocalEndPoint;
            return _taskListener.Handle;
        }
        if (Address.Descriptor is { } passed)
        {
            // One for all loops, whatever ReusePort says: a second one would not be the socket that was passed.
            _listeners = [Listener.Adopt(passed, Options.Socket)];
            local = _listeners[0].LocalEndPoint;
            return _listeners[0].Handle;
        }
        _listeners = [Listener.Bind(Address.EndPoint, Options.Socket)];
        local = _listeners[0].LocalEndPoint;
        if (Options.Socket.ReusePort && local is IPEndPoint shared)
        {
            try
            {
                while (_listeners.Length < LoopCount)
                {
                    _listeners = [.. _listeners, Listener.Bind(shared, Options.Socket)];
                }
            }
            catch
            {
                CloseListeners();
                throw;
            }
        }
        return _listeners[0].Handle;
    }

    private protected override SafeHandle? HandleOf(int loop) => _listeners.Length > 1 ? _listeners[loop].Handle : base.HandleOf(loop);

    private void CloseListeners()
    {
        foreach (Listener listener in _listeners)
        {
            listener.Dispose();
        }
    }

    private protected override void Listen()
    {
        _taskListener?.Listen(Options.Backlog);
        foreach (Listener listener in _listeners)
        {
            listener.Listen(Options.Backlog);
        }
        if (KernelLimits.MaxBacklog() is { } allowed && allowed < Options.Backlog)
        {
            Log.BacklogCapped(Logger, Name, Options.Backlog, allowed);
        }
    }

    /// <inheritdoc/>
    protected override Connection? GetRequest()
    {
        StreamTransport? transport = _taskListener is not null ? _taskListener.TryAccept() : Accept(_listeners[_listeners.Length > 1 ? CurrentLoop : 0]);
        if (transport is null)
        {
            return null;
        }
        var connection = new Connection(Connection.NextId(), transport, Options.Limits, Stopping) { Server = this, AwaitsTls = Options.Tls is not null };
        transport.Belong(connection);
        if (Logger.IsEnabled(LogLevel.Debug))
        {
            Caller caller = CallerOf(connection);
            Log.CallerAccepted(Logger, Name, caller.Kind, caller.Id, caller.PeerName);
        }
        return connection;
    }

    private SocketTransport? Accept(Listener listener)
    {
        NativeAddress peer = default;
        CallResult result = listener.Accept(ref peer);
        return result.WouldBlock ? null : new SocketTransport(new DescriptorHandle(result.OrThrow("accept4", Name)), peer);
    }

    /// <inheritdoc/>
    protected override Task FinishAsync(Connection request, CancellationToken stop)
    {
        request.LimitCall();
        return HasHandshakes ? HandleAfterHandshakesAsync(request, stop) : _handlers.RunAsync(request, stop);
    }

    private async Task HandleAfterHandshakesAsync(Connection request, CancellationToken stop)
    {
        await ShakeHandsAsync(request, stop);
        await _handlers.RunAsync(request, stop);
    }

    /// <summary>Sends what is waiting, ends our direction, and closes. Where the peer has sent more than was read, that is
    /// taken and dropped for up to 2 seconds first: closing at once would reset the connection, and the peer would lose our
    /// last words.</summary>
    /// <inheritdoc/>
    protected override ValueTask ShutdownRequestAsync(Connection request)
    {
        ArgumentNullException.ThrowIfNull(request);
        ValueTask ended = request.ShutdownAsync();
        if (ended.IsCompletedSuccessfully)
        {
            CloseRequest(request);
            return ValueTask.CompletedTask;
        }
        return CloseAfterAsync(request, ended);
    }

    private async ValueTask CloseAfterAsync(Connection request, ValueTask ended)
    {
        await ended;
        CloseRequest(request);
    }

    /// <inheritdoc/>
    protected override void CloseRequest(Connection request)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.HasEnded)
        {
            return;
        }
        if (IsStopping && !request.Transport.EndOfInput)
        {
            request.SetCause(ConnectionEndReason.Stopped, null);
        }
        if (request.HasPlace)
        {
            Leave();
        }
        if (request.CountedAddress is { } counted)
        {
            _admission.Leave(counted);
        }
        Ending();
        // Asked before the close, while the address is known.
        Caller caller = Logger.IsEnabled(LogLevel.Debug) ? CallerOf(request) : default;
        ConnectionEnd end = request.Close();
        _endedBy.Add(end.Reason);
        _received.Add(end.Received);
        _sent.Add(end.Sent);
        Log.CallerEnded(Logger, Name, caller.Kind, caller.Id, caller.PeerName, end.Reason, end.Duration, end.Received, end.Sent);
        ConnectionEnded?.Invoke(request, end);
    }

    private protected override void CloseSocket(SafeHandle handle)
    {
        _taskListener?.Dispose();
        CloseListeners();
        base.CloseSocket(handle);
    }

    private protected override bool TryEnter() => _admission.TryEnter();

    private protected override bool AwaitPlace() => _admission.AwaitPlace();

    private protected override void Leave()
    {
        if (_admission.Leave())
        {
            OnPlace();
        }
    }

    private protected override string? Refusal(Connection request, bool hasPlace)
    {
        request.HasPlace = hasPlace;
        return hasPlace ? CountAddress(request) : $"CallerLimits.Connections is {Options.Callers.Connections}";
    }

    private protected override void Refuse(Connection request)
    {
        SayLastWord(request);
        base.Refuse(request);
    }

    private void SayLastWord(Connection request)
    {
        // In clear it would be no word of TLS.
        if (!Options.Callers.LastWord.IsEmpty && Options.Tls is null)
        {
            request.TrySend(Options.Callers.LastWord.Span);
        }
    }

    private protected override int DescriptorOf(Connection request) => ((StreamTransport)request.Transport).Descriptor;

    private protected override Caller CallerOf(Connection request) => new("connection", request.Id, request.RemoteEndPoint);

    private protected override (ConnectionEndReason? Reason, Exception? Exception) EndOf(Connection request) => (request.Reason, request.Cause);

    private protected override long? Waiting
    {
        get
        {
            long? waiting = null;
            foreach (SafeHandle listener in _taskListener is not null ? [_taskListener.Handle] : _listeners.Select(one => (SafeHandle)one.Handle))
            {
                if (listener.WhileOpen(SocketCalls.CountWaiting) is { Succeeded: true, Value: var count })
                {
                    waiting = (waiting ?? 0) + count;
                }
            }
            return waiting;
        }
    }

    private protected override long BytesReceived => _received.Sum(Served, static connection => connection.Transport.Received);

    private protected override long BytesSent => _sent.Sum(Served, static connection => connection.Transport.Sent);

    private protected override long CountOf(ConnectionEndReason reason) => _endedBy.Of(reason);

    private protected override string DescribeWork(object work) => work is LoopSocket { Owner: SocketTransport transport }
        ? $"{NameOf(transport.HandlerType)} of {transport}"
        : BlockedWork.Describe(work) ?? NameOf(_handlers.NewestType);

    private protected override ILoopMember? OwnerOf(object work) => work is LoopSocket { Owner: SocketTransport transport } ? transport.Server : null;

    internal string NameOf(Type? handler) => handler is null || handler == typeof(LambdaHandler) ? _handlerName : handler.Name;

    private protected override void Attach(Connection request, EventLoop? loop) => ((StreamTransport)request.Transport).Attach(loop);

    private protected override void Mark(Connection request, ConnectionEndReason reason, Exception? exception) => request.SetCause(reason, exception);

    private protected override bool HasEndedItself(Connection request) => request.Reason is not null;

    private protected override void TellStop(Connection request)
    {
        if (_isBlocking)
        {
            request.SetCause(ConnectionEndReason.Stopped, null);
            ((StreamTransport)request.Transport).EndInput();
        }
        else
        {
            ((StreamTransport)request.Transport).CancelStopReads();
        }
    }

    private protected override void Cut(Connection request)
    {
        request.Abort(ConnectionEndReason.Stopped, $"The server stopped, and the call still ran after the grace time (ServerOptions.Grace is {Options.Grace}).");
        if (_isBlocking)
        {
            ((StreamTransport)request.Transport).EndBoth();
        }
    }

    private protected override void Discard(Connection request, ConnectionEndReason reason)
    {
        request.SetCause(reason, null);
        CloseRequest(request);
    }
}
