using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A server on a UDP socket in which all datagrams of one peer go to one running handler: until the peer has been
/// silent for <see cref="DatagramSessionOptions.Idle"/>, the handler returns, or the server stops. The next datagram of that
/// peer then begins a new session.</summary>
/// <remarks>The request of the walk is the session: <see cref="GetRequest"/> gives datagrams to those that there are, and
/// returns one for a peer that is new. A peer is an address with its port. Under <see cref="Concurrency.EventLoop"/> a session
/// stays on one loop. Where the loops have one socket in common, the first loop receives for all, so that datagrams keep their
/// order; with <see cref="ListenerOptions.ReusePort"/> each receives for itself.</remarks>
public class UdpSessionServer : DatagramServer<DatagramSession>
{
    // So many, and a stop or another piece of the loop has its turn.
    private const int DatagramsPerTurn = 64;

    private readonly Func<DatagramSession, CancellationToken, Task> _handler;
    private readonly ConcurrentDictionary<NativeAddress, DatagramSession> _sessions = new();
    private readonly EndCount _endedBy = new();
    private int _open;
    private long _lastSession;
    private long _received;
    private long _dropped;

    /// <summary>A server of sessions.</summary>
    /// <param name="address">Where to listen: <c>127.0.0.1:8009</c> for example.</param>
    /// <param name="handler">Serves a session from its first datagram on.</param>
    /// <param name="concurrency">Where handlers run; null for <see cref="Concurrency.Threads"/>.</param>
    /// <param name="options">How; null for the defaults. <see cref="ServerOptions.Sessions"/> has the limits.</param>
    /// <exception cref="ArgumentException">The address is not one of UDP; the model can't run so many sessions at once; or
    /// <see cref="CallerLimits.AcceptsPerSecond"/> is set, which would hold up the sessions that run.</exception>
    public UdpSessionServer(ServerAddress address, Func<DatagramSession, CancellationToken, Task> handler, Concurrency? concurrency = null, ServerOptions? options = null)
        : base(UdpServer.Checked(address, nameof(UdpSessionServer)), Checked(concurrency ?? Concurrency.Threads(), options ?? new()), options, "UDP sessions")
    {
        ArgumentNullException.ThrowIfNull(handler);
        _handler = handler;
    }

    /// <summary>The sessions whose handlers run, at this moment.</summary>
    public IReadOnlyCollection<DatagramSession> Sessions => Served;

    /// <summary>What it has done so far: <see cref="ServerStatistics.Accepted"/>, <see cref="ServerStatistics.Open"/> and
    /// <see cref="ServerStatistics.EndedBy"/> count sessions, <see cref="ServerStatistics.Dropped"/> datagrams.</summary>
    public override ServerStatistics Statistics => new(Accepted, OpenCalls, Pauses, _endedBy.ToDictionary()) { Dropped = DroppedByKernel + Interlocked.Read(ref _dropped) };

    private protected override long Taken => Interlocked.Read(ref _received);

    private protected override string? WhyNotOneRequest => $"{Name} has sessions, which go on receiving while they are served, so it can't serve a single request. Use StartAsync or ServeForeverAsync, or a UdpServer.";

    private static Concurrency Checked(Concurrency concurrency, ServerOptions options)
    {
        int sessions = options.Sessions.Sessions;
        if (options.Callers.AcceptsPerSecond is { } rate)
        {
            throw new ArgumentException($"CallerLimits.AcceptsPerSecond is {rate}: it would hold up the datagrams of sessions that run as well. Leave it null for a UdpSessionServer, which DatagramSessionOptions.Sessions (now {sessions}) bounds.", nameof(options));
        }
        return concurrency.CallLimit switch
        {
            1 => throw new ArgumentException($"{concurrency} serves one call at a time, so that the first session would keep all other peers waiting. Choose Concurrency.EventLoop, Concurrency.Tasks or Concurrency.Threads for a UdpSessionServer.", nameof(concurrency)),
            { } limit when limit <= sessions => throw new ArgumentException($"DatagramSessionOptions.Sessions is {sessions}, and {concurrency} has no more threads than that, so nobody would receive once all are taken. Lower Sessions below {limit}, raise the limit of Concurrency.Threads above {sessions}, or choose Concurrency.EventLoop.", nameof(concurrency)),
            _ => concurrency,
        };
    }

    // One socket is read by one loop: two that read in turn would change the order of a peer's datagrams.
    private protected override SafeHandle? HandleOf(int loop) => Receives(loop) ? base.HandleOf(loop) : null;

    private bool Receives(int loop) => loop == 0 || Sockets.IsOneALoop;

    /// <inheritdoc/>
    protected override DatagramSession? GetRequest()
    {
        if (!Receives(CurrentLoop))
        {
            return null;
        }
        for (int left = DatagramsPerTurn; left > 0 && !IsStopping && TryReceive() is { } datagram; left--)
        {
            Interlocked.Increment(ref _received);
            if (_sessions.TryGetValue(datagram.Remote, out DatagramSession? session) && session.TryDeliver(datagram))
            {
                continue;
            }
            if (Begin(datagram) is { } begun)
            {
                return begun;
            }
        }
        return null;
    }

    private DatagramSession? Begin(Datagram first)
    {
        if (Interlocked.Increment(ref _open) > Options.Sessions.Sessions)
        {
            Interlocked.Decrement(ref _open);
            CountDropped(1);
            if (IsNews(nameof(DatagramSessionOptions.Sessions)))
            {
                Log.AtLimit(Logger, Name, $"DatagramSessionOptions.Sessions is {Options.Sessions.Sessions}, so datagrams of new peers are dropped; raise it, or lower DatagramSessionOptions.Idle (now {Options.Sessions.Idle})");
            }
            return null;
        }
        var session = new DatagramSession(this, Interlocked.Increment(ref _lastSession), first, Sockets);
        _sessions[first.Remote] = session;
        return session;
    }

    /// <summary>A session's queue was full. Any thread.</summary>
    internal void TellOverflow()
    {
        CountDropped(1);
        if (IsNews(nameof(DatagramSessionOptions.Queue)))
        {
            Log.AtLimit(Logger, Name, $"DatagramSessionOptions.Queue is {Options.Sessions.Queue} and a peer sends faster than its handler receives, so its newest datagrams are dropped; raise it, or receive faster");
        }
    }

    internal void CountDropped(int count) => Interlocked.Add(ref _dropped, count);

    /// <summary>A session takes no more datagrams: the peer's next one begins another. Any thread.</summary>
    internal void Leave(DatagramSession session) => _sessions.TryRemove(KeyValuePair.Create(session.Remote, session));

    /// <inheritdoc/>
    protected override Task FinishAsync(DatagramSession request, CancellationToken stop) => _handler(request, stop);

    /// <inheritdoc/>
    protected override void CloseRequest(DatagramSession request)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Close() is not { } reason)
        {
            return;
        }
        // Before the place is free, so that a model without room knows that it will have some.
        Ending();
        Interlocked.Decrement(ref _open);
        _endedBy.Add(reason);
    }

    private protected override Caller CallerOf(DatagramSession request) => new("session", request.Id, request.RemoteEndPoint);

    private protected override (ConnectionEndReason? Reason, Exception? Exception) EndOf(DatagramSession request) => (request.EndReason, request.Failure);

    private protected override string DescribeWork(object work) => BlockedWork.Describe(work) ?? BlockedWork.Name(_handler);

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
