using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Switchboard.Servers;

/// <summary>
/// One caller, or a server that this program calls: a stream of bytes in both directions. Reads and writes suspend until something can be done; an await in a
/// handler comes back to the call's own thread or loop, whatever the concurrency model.
/// </summary>
/// <remarks>Members may be called from any thread, one read at a time; from the call's own thread they are direct, from
/// others they are handed over to it, which is slower.</remarks>
[SuppressMessage("Reliability", "CA1001", Justification = "Close disposes what it holds.")]
public sealed partial class Connection
{
    // The runtime's timer takes some 49 days at most.
    private static readonly TimeSpan _longestTimer = TimeSpan.FromDays(40);

    /// <summary>The clock of the runtime's timers moves in steps of up to this, and no limit may fire early.</summary>
    internal static readonly TimeSpan CoarseClockStep = TimeSpan.FromMilliseconds(10);

    private static long _lastId;

    private volatile Transport _transport;
    private readonly ConnectionLimits _limits;
    private readonly long _opened = Stopwatch.GetTimestamp();
    private readonly Lock _endGate = new();
    private ConnectionEndReason? _reason;
    private Exception? _cause;
    private ConnectionEnd? _end;
    private TaskCompletionSource<ConnectionEnd>? _closed;
    private Timer? _callTimer;

    internal Connection(long id, Transport transport, ConnectionLimits limits, CancellationToken stopping)
    {
        Id = id;
        _transport = transport;
        _limits = limits;
        Stopping = stopping;
    }

    /// <summary>A number that no other connection of this process has.</summary>
    public long Id { get; }

    internal static long NextId() => Interlocked.Increment(ref _lastId);

    /// <summary>The peer's address, which a proxy has told where there is one (<see cref="Proxy"/>); null for a Unix peer that is
    /// not bound, and in memory.</summary>
    public EndPoint? RemoteEndPoint => Proxy?.Source ?? _transport.RemoteEndPoint;

    /// <summary>The address that the peer reached, at the proxy where there is one; null in memory.</summary>
    public EndPoint? LocalEndPoint => Proxy?.Destination ?? _transport.LocalEndPoint;

    /// <summary>What the proxy said that the call came through; null without <see cref="ServerOptions.ProxyProtocol"/>, and
    /// before the handler is made.</summary>
    public ProxyHeader? Proxy { get; internal set; }

    /// <summary>Who is at the other end of the socket: the proxy where there is one, else <see cref="RemoteEndPoint"/>.</summary>
    public EndPoint? DirectEndPoint => _transport.RemoteEndPoint;

    /// <summary>Cancelled when the server is stopped: end the call soon. A read with this token costs nothing extra. Of a
    /// connection that a handler opened it is that of the handler's server; of others that this program opened it never
    /// is.</summary>
    public CancellationToken Stopping { get; }

    /// <summary>The limits of this connection.</summary>
    public ConnectionLimits Limits => _limits;

    /// <summary>Completes once, when the connection has ended, with the reason. Never fails.</summary>
    public Task<ConnectionEnd> Closed
    {
        get
        {
            lock (_endGate)
            {
                // Asynchronous continuations: nobody's code runs in the middle of a close.
                _closed ??= new TaskCompletionSource<ConnectionEnd>(TaskCreationOptions.RunContinuationsAsynchronously);
                if (_end is not null)
                {
                    _closed.TrySetResult(_end);
                }
                return _closed.Task;
            }
        }
    }

    /// <summary>How long ago it was accepted or opened; the time does not stop at its end.</summary>
    public TimeSpan Age => Stopwatch.GetElapsedTime(_opened);

    /// <summary>Bytes received so far.</summary>
    public long Received => _transport.Received;

    /// <summary>Bytes handed to the kernel so far.</summary>
    public long Sent => _transport.Sent;

    internal Transport Transport => _transport;

    /// <summary>Whose call it is; null before a handler has it.</summary>
    internal Type? HandlerType { get; set; }

    /// <summary>The server that accepted it, if one did.</summary>
    internal StreamServer? Server { get; init; }

    /// <summary>The type of the handler that serves it, or the name of the method that does; null before it is served, and
    /// of a connection that this program opened.</summary>
    public string? HandlerName => HandlerType is { } type ? Server?.NameOf(type) ?? type.Name : null;

    /// <summary>Reads what is there, waiting until there is something.</summary>
    /// <param name="buffer">Where the bytes go; an empty one means: wait until a read would not wait.</param>
    /// <param name="cancellation">Ends the wait; no byte is lost then and the connection stays usable.</param>
    /// <returns>The count, 0 when the peer has ended its direction.</returns>
    /// <exception cref="ConnectionEndedException">The connection has ended: reset, a limit, a stop.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">A read is pending already.</exception>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation = default)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellation);
        }
        ThrowIfReading();
        if (_tooLong is not null)
        {
            return ValueTask.FromException<int>(_tooLong);
        }
        if (HasBuffered)
        {
            return new ValueTask<int>(TakeBuffered(buffer.Span));
        }
        ReturnBuffer();
        return _transport.ReadAsync(buffer, cancellation);
    }

    /// <summary>Sends all of a buffer, which must stay as it is until the task completes. Writes go out whole, in the
    /// order of the calls. Called during a TLS handshake it waits for that, and fails with it.</summary>
    /// <param name="buffer">The bytes.</param>
    /// <param name="cancellation">Takes the write back if nothing of it is out yet; otherwise ends the connection.</param>
    /// <returns>Completes when the kernel has all of it.</returns>
    /// <exception cref="ConnectionEndedException">The connection has ended: reset, stalled, a stop.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation = default) =>
        _transport.WriteAsync(buffer, cancellation);

    /// <summary>Copies a message to be sent when the peer takes it. Never waits: for broadcasts.</summary>
    /// <param name="message">The bytes; all of them are sent, or none.</param>
    /// <returns>False if more than <see cref="ConnectionLimits.PendingSend"/> would wait, the connection has ended, or its TLS
    /// handshake is not done.</returns>
    public bool TrySend(ReadOnlySpan<byte> message)
    {
        Transport transport = _transport;
        return (!_awaitsTls || transport is TlsTransport) && transport.TrySend(message);
    }

    /// <summary>Reads what is there, blocking the call's thread until there is something. For
    /// <see cref="BlockingRequestHandler"/>.</summary>
    /// <param name="buffer">Where the bytes go.</param>
    /// <returns>The count, 0 when the peer has ended its direction or the server stops.</returns>
    /// <exception cref="ConnectionEndedException">The connection has ended.</exception>
    /// <exception cref="InvalidOperationException">Another thread calls, or the thread carries other connections too.</exception>
    public int Read(Span<byte> buffer)
    {
        ThrowIfReading();
        if (_tooLong is not null)
        {
            throw _tooLong;
        }
        return HasBuffered ? TakeBuffered(buffer) : _transport.Read(buffer);
    }

    /// <summary>Sends all of a buffer, blocking the call's thread until the kernel has it. For
    /// <see cref="BlockingRequestHandler"/>.</summary>
    /// <param name="buffer">The bytes.</param>
    /// <exception cref="ConnectionEndedException">The connection has ended.</exception>
    /// <exception cref="InvalidOperationException">Another thread calls, or the thread carries other connections too.</exception>
    public void Write(ReadOnlySpan<byte> buffer) => _transport.Write(buffer);

    /// <summary>Ends our direction once all that was written is out: the peer reads the end of input, and may go on
    /// sending.</summary>
    /// <returns>Completes when that is done.</returns>
    public ValueTask CloseOutputAsync() => _transport.CloseOutputAsync();

    /// <summary>Whether small writes are sent at once (TCP_NODELAY) or gathered by the kernel. Nothing on a Unix socket and in
    /// memory.</summary>
    /// <param name="noDelay">True to send at once.</param>
    public void SetNoDelay(bool noDelay) => _transport.SetNoDelay(noDelay);

    /// <summary>Ends the connection at once, whatever is pending; works on a dead peer. What is unsent is dropped.</summary>
    public void Abort() => Abort(ConnectionEndReason.Aborted, null);

    /// <summary>A message was refused because others wait. Any thread.</summary>
    internal void OnPendingSendFull()
    {
        if (_limits.SlowPeer == SlowPeer.End)
        {
            Abort(ConnectionEndReason.TooSlow, $"The peer takes less than is sent to it: more than {_limits.PendingSend} bytes would wait, which is ConnectionLimits.PendingSend, and ConnectionLimits.SlowPeer is {SlowPeer.End}.");
        }
    }

    /// <summary>Who is called by this program may wait to be asked.</summary>
    internal TimeSpan FirstByteLimit => IsOutgoing ? Timeout.InfiniteTimeSpan : _limits.FirstByte;

    /// <summary>The handshakes are done: unless more came with them, the peer has yet to send the first byte of the call.</summary>
    internal void ExpectFirstByte()
    {
        if (!HasBuffered)
        {
            ((StreamTransport)_transport).ExpectFirstByte();
        }
    }

    /// <summary>Begins the time that the call may take. The runtime's timer, since a handler may block the call's thread.</summary>
    internal void LimitCall()
    {
        if (_limits.Call != Timeout.InfiniteTimeSpan)
        {
            _callTimer = new Timer(static self => ((Connection)self!).EndCall(), this, _limits.Call < _longestTimer ? _limits.Call : _longestTimer, Timeout.InfiniteTimeSpan);
        }
    }

    private void EndCall()
    {
        TimeSpan left = _limits.Call - Stopwatch.GetElapsedTime(_opened);
        if (left > TimeSpan.Zero)
        {
            // It was accepted earlier than its call began, or the runtime's timer can't take so long a time.
            _callTimer?.Change(left < _longestTimer ? left : _longestTimer, Timeout.InfiniteTimeSpan);
            return;
        }
        Abort(ConnectionEndReason.CallTooLong, $"The call took longer than {_limits.Call}, which is ConnectionLimits.Call.");
    }

    internal void Abort(ConnectionEndReason reason, string? message) =>
        _transport.Abort(Broken(reason, message ?? "The connection was aborted by this program."));

    /// <summary>Marks the cause if it is the first, and gives the exception that operations fail with.</summary>
    internal ConnectionEndedException Broken(ConnectionEndReason reason, string message, Exception? inner = null)
    {
        var exception = new ConnectionEndedException(reason, message, inner);
        SetCause(reason, inner);
        return exception;
    }

    internal void SetCause(ConnectionEndReason reason, Exception? cause)
    {
        lock (_endGate)
        {
            if (_reason is null)
            {
                (_reason, _cause) = (reason, cause);
            }
        }
    }

    /// <summary>The reason marked so far.</summary>
    internal ConnectionEndReason? Reason => _reason;

    /// <summary>The error behind the reason, if there is one.</summary>
    internal Exception? Cause => _cause;

    internal bool HasEnded => Volatile.Read(ref _end) is not null;

    /// <summary>True if it was counted among the server's connections.</summary>
    internal bool HasPlace { get; set; }

    /// <summary>The address that it was counted for; null if it was not.</summary>
    internal IPAddress? CountedAddress { get; set; }

    /// <summary>True if the peer has sent more than was read.</summary>
    internal bool HasUnread => HasBuffered || _transport.HasUnread;

    /// <summary>Gives the connection its one end.</summary>
    internal ConnectionEnd Close()
    {
        // Marked before what is pending fails: whoever awaits that may call Abort, which is no cause any more.
        SetCause(_transport.EndOfInput ? ConnectionEndReason.PeerClosed : ConnectionEndReason.HandlerReturned, null);
        _stopRegistration.Unregister();
        _transport.Close();
        _callTimer?.Dispose();
        if (Interlocked.Exchange(ref _readingMessage, 1) == 0)
        {
            ReturnBuffer();
        }
        lock (_endGate)
        {
            if (_end is null)
            {
                _end = new ConnectionEnd(_reason!.Value, _cause, _transport.Received, _transport.Sent, Stopwatch.GetElapsedTime(_opened));
                _closed?.TrySetResult(_end);
            }
            return _end;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"connection {Id} of {RemoteEndPoint?.ToString() ?? "an unnamed peer"}";
}
