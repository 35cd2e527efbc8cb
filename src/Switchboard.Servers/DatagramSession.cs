using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>All datagrams of one peer, as the handler of a <see cref="DatagramSessionServer"/> sees them: in the order in which they
/// came, none twice. UDP itself may lose, double or reorder some on their way.</summary>
/// <remarks>Any thread may call any member; one receive at a time. An await that began in the handler comes back to its thread,
/// loop or row of pieces.</remarks>
public sealed partial class DatagramSession
{
    private readonly Lock _gate = new();
    private readonly Queue<Datagram> _queue = new();
    private readonly DatagramSockets _sockets;
    private readonly DatagramPath _path;
    private readonly NativeAddress _remote;
    private readonly long _began = Stopwatch.GetTimestamp();
    private EventLoop? _receivingLoop;
    private LoopTimer? _idleTimer;
    private DatagramSession? _next;
    private long _lastReceived;
    private long _received;
    private long _dropped;
    private ConnectionEndReason? _end;
    private bool _hasClosed;
    private volatile bool _isMute;

    internal DatagramSession(DatagramSessionServer server, long id, Datagram first, DatagramSockets sockets)
    {
        Server = server;
        Id = id;
        _sockets = sockets;
        _path = first.Path;
        _remote = first.Remote;
        LocalEndPoint = first.LocalEndPoint;
        _queue.Enqueue(first);
        _received = 1;
        _lastReceived = _began;
    }

    /// <summary>A number that no other session of this server has.</summary>
    public long Id { get; }

    /// <summary>The peer.</summary>
    public EndPoint RemoteEndPoint => _remote.ToEndPoint()!;

    /// <summary>The address that the first datagram was sent to, which <see cref="SendAsync"/> answers from.</summary>
    public EndPoint? LocalEndPoint { get; }

    /// <summary>Cancelled when the server stops; the handler's token.</summary>
    public CancellationToken Stopping => Server.Stopping;

    /// <summary>How long ago its first datagram came.</summary>
    public TimeSpan Age => Stopwatch.GetElapsedTime(_began);

    /// <summary>How many datagrams have come, those included that were dropped.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>How many of them were dropped: the queue was full (<see cref="DatagramSessionOptions.Queue"/>), or the session
    /// ended before they were received.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Why the session takes no more datagrams; null while it does. The first cause wins:
    /// <see cref="ConnectionEndReason.Idle"/>, <see cref="ConnectionEndReason.Stopped"/>,
    /// <see cref="ConnectionEndReason.HandlerReturned"/>, <see cref="ConnectionEndReason.HandlerFailed"/>,
    /// <see cref="ConnectionEndReason.Aborted"/> after <see cref="End()"/>, <see cref="ConnectionEndReason.Unverified"/>.</summary>
    public ConnectionEndReason? EndReason
    {
        get
        {
            lock (_gate)
            {
                return _end;
            }
        }
    }

    internal DatagramSessionServer Server { get; }

    /// <summary>The address that the session counts for; null if addresses are not counted.</summary>
    internal IPAddress? CountedAddress { get; init; }

    internal ref readonly NativeAddress Remote => ref _remote;

    /// <summary>What its handler threw; null if nothing.</summary>
    internal Exception? Failure { get; private set; }

    private TimeSpan IdleTime => Server.Options.Sessions.Idle;

    /// <summary>Receives all datagrams until the session ends.</summary>
    /// <param name="cancellation">Ends the wait; no datagram is lost then.</param>
    /// <returns>The datagrams, each to keep.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async IAsyncEnumerable<Datagram> ReceiveAllAsync([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        while (await ReceiveAsync(cancellation) is { } datagram)
        {
            yield return datagram;
        }
    }

    /// <summary>Sends one datagram to the peer, from the address that it asked first.</summary>
    /// <param name="data">The datagram, whole.</param>
    /// <param name="cancellation">Ends the wait for room in the socket.</param>
    /// <returns>Completes when the kernel has it.</returns>
    /// <exception cref="ConnectionEndedException">The handler has returned, or was ended after the grace time of a stop. A session
    /// that is idle can still be sent to, for a last word.</exception>
    /// <exception cref="SystemCallException">The kernel refused: too long (EMSGSIZE), nobody there any more.</exception>
    public ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation = default) => _isMute
        ? ValueTask.FromException(new ConnectionEndedException(EndReason ?? ConnectionEndReason.HandlerReturned, "The session has ended. Send before the handler returns, and within ServerOptions.Grace of a stop."))
        : _sockets.SendAsync(data, _remote, _path, cancellation);

    /// <summary>Ends the session: it takes no more datagrams, and <see cref="ReceiveAsync"/> gives null after those that wait. The
    /// peer's next datagram begins a new session, once the handler of this one has ended.</summary>
    public void End() => End(ConnectionEndReason.Aborted, null);

    /// <inheritdoc/>
    public override string ToString() => $"session {Id} of {RemoteEndPoint}";

    /// <summary>Has the session end when its peer is silent. Before its handler begins, on the loop that receives.</summary>
    internal void StartIdleTime()
    {
        if (IdleTime != Timeout.InfiniteTimeSpan && EventLoop.Current is { } loop)
        {
            _receivingLoop = loop;
            _idleTimer = new LoopTimer(loop, static self => ((DatagramSession)self!).EndIfIdle(), this);
            _idleTimer.Arm(IdleTime);
        }
    }

    /// <summary>Takes no more datagrams; the first cause wins.</summary>
    internal void End(ConnectionEndReason reason, Exception? failure)
    {
        lock (_gate)
        {
            if (_end is null)
            {
                _end = reason;
                Failure = failure;
                Wake();
            }
        }
    }

    /// <summary>Ends a session whose handler still runs after the grace time.</summary>
    internal void Cut()
    {
        End(ConnectionEndReason.Stopped, null);
        _isMute = true;
    }

    /// <summary>Has another session of the peer begin with a datagram when this one's handler has ended, in the place of this
    /// one. False if it has ended by now.</summary>
    internal bool TryPrecede(Datagram first)
    {
        lock (_gate)
        {
            if (_hasClosed)
            {
                return false;
            }
            // Under the gate: after it this one may end at any moment, and the next one begin and end.
            _next = Server.Make(first, CountedAddress);
            return true;
        }
    }

    /// <summary>The handler has ended. True the first time.</summary>
    /// <param name="reason">Why the session has ended.</param>
    /// <param name="next">The session of the same peer that can begin now; null if none waits, and the place is free.</param>
    internal bool TryClose(out ConnectionEndReason reason, out DatagramSession? next)
    {
        End(ConnectionEndReason.HandlerReturned, null);
        int left;
        lock (_gate)
        {
            reason = _end!.Value;
            next = _next;
            if (_hasClosed)
            {
                return false;
            }
            _hasClosed = true;
            left = _queue.Count;
            _queue.Clear();
            _dropped += left;
            if (next is null)
            {
                Server.GiveBack(this);
            }
        }
        _isMute = true;
        Server.CountDropped(left);
        if (_receivingLoop is { IsCurrent: true })
        {
            _idleTimer!.Disarm();
        }
        else
        {
            // It would keep the session until it is due.
            _receivingLoop?.Post(static self => ((DatagramSession)self!)._idleTimer!.Disarm(), this);
        }
        return true;
    }

    private void EndIfIdle()
    {
        TimeSpan left;
        lock (_gate)
        {
            if (_end is not null)
            {
                return;
            }
            left = IdleTime - Stopwatch.GetElapsedTime(_lastReceived);
            if (left <= TimeSpan.Zero)
            {
                // Under the gate, so that no datagram is taken in between.
                _end = ConnectionEndReason.Idle;
                Wake();
                return;
            }
        }
        _idleTimer!.Arm(left);
    }
}
