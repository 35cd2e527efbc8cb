using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A server of datagrams in which all those of one peer go to one running handler: until the peer has been silent for
/// <see cref="DatagramSessionOptions.Idle"/>, the handler returns, or the server stops. The next datagram of that peer then
/// begins a new session, once the handler of the old one has ended. Steps and hooks are those of
/// <see cref="SocketServer{TRequest}"/>.</summary>
/// <remarks>The request of the walk is the session: <see cref="GetRequest"/> gives datagrams to those that there are, and
/// returns one for a peer that is new. Under <see cref="Concurrency.EventLoop"/> a session stays on one loop. Where the loops
/// have one socket in common, the first loop receives for all, so that datagrams keep their order; with
/// <see cref="ListenerOptions.ReusePort"/> each receives for itself.</remarks>
public abstract class DatagramSessionServer : DatagramServer<DatagramSession>
{
    // So many, and a stop or another piece of the loop has its turn.
    private const int DatagramsPerTurn = 64;

    private readonly HandlerRunner<DatagramSessionHandler, DatagramSession> _handlers;
    private readonly string _handlerName;
    private readonly Admission _admission;
    // The newest session of each peer: it runs, or waits for the end of the handler before.
    private readonly ConcurrentDictionary<NativeAddress, DatagramSession> _sessions = new();
    private readonly ConcurrentQueue<DatagramSession> _due = new();
    private readonly EndCount _endedBy = new();
    private long _lastSession;
    private long _received;
    private long _dropped;

    private protected DatagramSessionServer(ServerAddress address, HandlerSource<DatagramSessionHandler> handlers, Concurrency concurrency, ServerOptions? options, string kind)
        : base(address, Checked(concurrency, options ?? new()), options, kind)
    {
        _handlers = new(handlers, static (handler, session, stop) => handler.RunAsync(session, stop), Left);
        _handlerName = handlers.Name;
        _admission = new Admission(new CallerLimits
        {
            Connections = Options.Sessions.Sessions,
            ConnectionsPerAddress = Options.Sessions.SessionsPerAddress,
            IPv6Prefix = Options.Callers.IPv6Prefix,
        });
    }

    /// <summary>The sessions whose handlers run, at this moment.</summary>
    public IReadOnlyCollection<DatagramSession> Sessions => Served;

    /// <summary>What it has done so far: <see cref="ServerStatistics.Accepted"/>, <see cref="ServerStatistics.Open"/> and
    /// <see cref="ServerStatistics.EndedBy"/> count sessions, <see cref="ServerStatistics.Dropped"/> datagrams.</summary>
    public override ServerStatistics Statistics => new(Accepted, OpenCalls, Pauses, _endedBy.ToDictionary()) { Dropped = DroppedByKernel + Interlocked.Read(ref _dropped), Cut = CutCalls };

    private protected override long DatagramsReceived => Interlocked.Read(ref _received);

    private protected override long CountOf(ConnectionEndReason reason) => _endedBy.Of(reason);

    private protected override string? WhyNotOneRequest => $"{Name} has sessions, which go on receiving while they are served, so it can't serve a single request. Use StartAsync or ServeForeverAsync, or a server without sessions.";

    /// <summary>Makes the right server for an address.</summary>
    internal static DatagramSessionServer On(ServerAddress address, HandlerSource<DatagramSessionHandler> handlers, Concurrency? concurrency, ServerOptions? options) => address.EndPoint is UnixDomainSocketEndPoint
        ? new UnixDatagramSessionServer(address, handlers, concurrency, options)
        : new UdpSessionServer(address, handlers, concurrency, options);

    private static Concurrency Checked(Concurrency concurrency, ServerOptions options)
    {
        int sessions = options.Sessions.Sessions;
        if (options.Callers.AcceptsPerSecond is { } rate)
        {
            throw new ArgumentException($"CallerLimits.AcceptsPerSecond is {rate}: it would hold up the datagrams of sessions that run as well. Leave it null for a server of sessions, which DatagramSessionOptions.Sessions (now {sessions}) bounds.", nameof(options));
        }
        return concurrency.CallLimit switch
        {
            1 => throw new ArgumentException($"{concurrency} serves one call at a time, so that the first session would keep all other peers waiting. Choose Concurrency.EventLoop, Concurrency.Tasks or Concurrency.Threads for a server of sessions.", nameof(concurrency)),
            { } limit when limit <= sessions => throw new ArgumentException($"DatagramSessionOptions.Sessions is {sessions}, and {concurrency} has no more threads than that, so nobody would receive once all are taken. Lower Sessions below {limit}, raise the limit of Concurrency.Threads above {sessions}, or choose Concurrency.EventLoop.", nameof(concurrency)),
            _ => concurrency,
        };
    }

    // One socket is read by one loop: two that read in turn would change the order of a peer's datagrams.
    private protected override SafeHandle? HandleOf(int loop) => Receives(loop) ? base.HandleOf(loop) : null;

    private bool Receives(int loop) => loop == 0 || Sockets.IsOneALoop;

    private protected override bool HasWaiting => !_due.IsEmpty;

    /// <inheritdoc/>
    protected override DatagramSession? GetRequest()
    {
        if (_due.TryDequeue(out DatagramSession? due))
        {
            return Begun(due);
        }
        if (!Receives(CurrentLoop))
        {
            return null;
        }
        for (int left = DatagramsPerTurn; left > 0 && !IsStopping && TryReceive() is { } datagram; left--)
        {
            Interlocked.Increment(ref _received);
            if (Deliver(datagram) is { } session)
            {
                return Begun(session);
            }
        }
        return null;
    }

    /// <summary>Gives a datagram to its peer's session.</summary>
    /// <returns>A session that begins with it; null if none does now.</returns>
    private DatagramSession? Deliver(Datagram datagram)
    {
        if (!datagram.Remote.IsSpecified)
        {
            CountDropped(1);
            if (IsNews("no address"))
            {
                Log.PeerWithoutAddress(Logger, Name);
            }
            return null;
        }
        if (_sessions.TryGetValue(datagram.Remote, out DatagramSession? last) && (last.TryDeliver(datagram) || last.TryPrecede(datagram)))
        {
            return null;
        }
        if (!TryAdmit(datagram, out IPAddress? counted))
        {
            CountDropped(1);
            return null;
        }
        return Make(datagram, counted);
    }

    /// <summary>Makes a session, which its peer's datagrams go to from now on.</summary>
    internal DatagramSession Make(Datagram first, IPAddress? counted) =>
        _sessions[first.Remote] = new(this, Interlocked.Increment(ref _lastSession), first, Sockets) { CountedAddress = counted };

    /// <summary>Takes a place for a new peer, if there is one.</summary>
    private bool TryAdmit(Datagram datagram, out IPAddress? counted)
    {
        DatagramSessionOptions limits = Options.Sessions;
        counted = null;
        if (!_admission.TryEnter())
        {
            if (IsNews(nameof(DatagramSessionOptions.Sessions)))
            {
                Log.AtLimit(Logger, Name, $"DatagramSessionOptions.Sessions is {limits.Sessions}, so datagrams of new peers are dropped; raise it, or lower DatagramSessionOptions.Idle (now {limits.Idle})");
            }
            return false;
        }
        if (limits.SessionsPerAddress is not { } most || _admission.TryEnter(datagram.RemoteEndPoint, out counted))
        {
            return true;
        }
        _admission.Leave();
        if (IsNews(nameof(DatagramSessionOptions.SessionsPerAddress)))
        {
            Log.AtLimit(Logger, Name, $"DatagramSessionOptions.SessionsPerAddress is {most}, so datagrams of further peers on an address that has as many are dropped, the first of {datagram.RemoteEndPoint}; raise it if many share an address");
        }
        return false;
    }

    private DatagramSession Begun(DatagramSession session)
    {
        session.StartIdleTime();
        if (Logger.IsEnabled(LogLevel.Debug))
        {
            Caller caller = CallerOf(session);
            Log.CallerAccepted(Logger, Name, caller.Kind, caller.Id, caller.PeerName);
        }
        return session;
    }

    /// <summary>A session's queue was full. Any thread.</summary>
    internal void TellOverflow(DatagramSession session)
    {
        CountDropped(1);
        if (IsNews(nameof(DatagramSessionOptions.Queue)))
        {
            Log.AtLimit(Logger, Name, $"DatagramSessionOptions.Queue is {Options.Sessions.Queue}, and {session} receives more slowly than its peer sends, so its newest datagrams are dropped; raise it, or receive faster");
        }
    }

    internal void CountDropped(int count) => Interlocked.Add(ref _dropped, count);

    /// <summary>A session's handler has ended, and no other session of its peer waits. Any thread; under the session's gate, so
    /// that the peer's next datagram finds the place free.</summary>
    internal void GiveBack(DatagramSession session)
    {
        _sessions.TryRemove(KeyValuePair.Create(session.Remote, session));
        if (session.CountedAddress is { } counted)
        {
            _admission.Leave(counted);
        }
        _admission.Leave();
    }

    /// <inheritdoc/>
    protected override Task FinishAsync(DatagramSession request, CancellationToken stop) => _handlers.RunAsync(request, stop);

    /// <inheritdoc/>
    protected override void CloseRequest(DatagramSession request)
    {
        ArgumentNullException.ThrowIfNull(request);
        // Before the place is free, so that a model without room knows that it will have some.
        Ending();
        if (!request.TryClose(out ConnectionEndReason reason, out DatagramSession? next))
        {
            return;
        }
        _endedBy.Add(reason);
        if (Logger.IsEnabled(LogLevel.Debug))
        {
            Caller caller = CallerOf(request);
            Log.SessionEnded(Logger, Name, caller.Kind, caller.Id, caller.PeerName, Why(reason), request.Age, request.Received, request.Dropped);
        }
        if (next is null)
        {
            return;
        }
        _due.Enqueue(next);
        if (IsStopping)
        {
            DropDue();
        }
        else
        {
            TellRequest();
        }
    }

    private string Why(ConnectionEndReason reason) => reason == ConnectionEndReason.Idle ? $"Idle (DatagramSessionOptions.Idle is {Options.Sessions.Idle})" : $"{reason}";

    private protected override void CloseSocket(SafeHandle handle)
    {
        base.CloseSocket(handle);
        DropDue();
    }

    /// <summary>Sessions that wait for their turn when the server stops never begin.</summary>
    private void DropDue()
    {
        while (_due.TryDequeue(out DatagramSession? due))
        {
            due.End(ConnectionEndReason.Stopped, null);
            due.TryClose(out _, out _);
        }
    }

    private protected override Caller CallerOf(DatagramSession request) => new("session", request.Id, request.RemoteEndPoint);

    private protected override (ConnectionEndReason? Reason, Exception? Exception) EndOf(DatagramSession request) => (request.EndReason, request.Failure);

    private protected override string DescribeWork(object work) => BlockedWork.Describe(work)
        ?? (_handlers.NewestType is { } handler && handler != typeof(LambdaDatagramSessionHandler) ? handler.Name : _handlerName);

    private protected override ILoopMember? OwnerOf(object work) => (work as DatagramSession)?.Server;

    private protected override void Attach(DatagramSession request, EventLoop? loop) => request.Attach(loop);

    private protected override void Mark(DatagramSession request, ConnectionEndReason reason, Exception? exception) => request.End(reason, exception);

    // Its end is told by null and not thrown, so that what is thrown is the handler's own.
    private protected override bool HasEndedItself(DatagramSession request) => false;

    private protected override void TellStop(DatagramSession request) => request.End(ConnectionEndReason.Stopped, null);

    private protected override void Cut(DatagramSession request) => request.Cut();

    private protected override void Discard(DatagramSession request, ConnectionEndReason reason)
    {
        request.End(reason, null);
        CloseRequest(request);
    }
}
