using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>
/// A UDP or Unix datagram socket on an <see cref="EventLoop"/>: receives and sends that suspend until the kernel has
/// something, with no allocation in steady state. It owns its descriptor.
/// </summary>
/// <remarks>
/// All members may be called from any thread; from the loop's own they are direct. One receive at a time, any number of
/// sends. An await that began on the loop comes back to it. An error of one receive or send leaves the socket usable.
/// Source of the behaviour: <c>udp(7)</c>, <c>unix(7)</c>, <c>recvfrom(2)</c>, <c>sendto(2)</c>.
/// </remarks>
public sealed partial class LoopDatagramSocket : IReadyHandler, ILoopWaiter, IValueTaskSource<ReceivedDatagram>, IDisposable, IAsyncDisposable
{
    private static readonly ListenerOptions _defaultOptions = new() { ReuseAddress = false };

    private readonly EventLoop _loop;
    private readonly DescriptorHandle _handle;
    private readonly int _descriptor;
    private readonly bool _isUnix;
    private (string Path, FileIdentity Identity)? _file;
    private SelectorKey? _key;
    private Exception? _fault;
    private bool _disposed;

    // The one pending receive.
    private ManualResetValueTaskSourceCore<ReceivedDatagram> _receive;
    private int _receiving;
    private bool _receivePending;
    private bool _receiveWantsContext;
    private bool _hasMore;
    private Memory<byte> _buffer;
    private CancellationToken _token;
    private CancellationTokenRegistration _registration;

    /// <summary>Takes a datagram socket.</summary>
    /// <param name="loop">The loop that it belongs to from now on.</param>
    /// <param name="handle">The socket, blocking or not; disposed with this object.</param>
    /// <exception cref="SystemCallException">It is not a socket.</exception>
    public LoopDatagramSocket(EventLoop loop, DescriptorHandle handle)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentNullException.ThrowIfNull(handle);
        _loop = loop;
        _handle = handle;
        _descriptor = handle.Number;
        // Only Unix sockets can be without an address of their family.
        _isUnix = SocketCalls.LocalAddress(_descriptor).ToEndPoint() is null or UnixDomainSocketEndPoint;
    }

    /// <summary>Makes a socket with an address, which others can send to.</summary>
    /// <param name="loop">The loop that it belongs to.</param>
    /// <param name="address">IPv4, IPv6 or Unix; port 0 for a free one.</param>
    /// <param name="options">How. Null for the defaults but for <see cref="ListenerOptions.ReuseAddress"/>, with which two
    /// UDP sockets would share a port unawares.</param>
    /// <returns>The socket; the caller disposes it, which also removes the file of a Unix socket.</returns>
    /// <exception cref="AddressInUseException">Somebody else has the address.</exception>
    /// <exception cref="SystemCallException">The kernel refused for another reason.</exception>
    public static LoopDatagramSocket Bind(EventLoop loop, EndPoint address, ListenerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentNullException.ThrowIfNull(address);
        LoopDatagramSocket socket = new(loop, BoundSocket.Create(address, SocketType.Dgram, options ?? _defaultOptions));
        if (BoundSocket.FileOf(address) is { } path && FileCalls.Identify(path) is { } identity)
        {
            socket._file = (path, identity);
        }
        return socket;
    }

    /// <summary>Makes a socket that sends to one peer and receives from that one only: <see cref="SendAsync"/>. A UDP socket
    /// gets a free port; a Unix socket stays without a name, so it can't be answered.</summary>
    /// <param name="loop">The loop that it belongs to.</param>
    /// <param name="peer">The peer: IPv4, IPv6 or Unix. A UDP peer is not asked whether it is there.</param>
    /// <returns>The socket; the caller disposes it.</returns>
    /// <exception cref="SystemCallException">The address can't be reached, or no Unix socket has it.</exception>
    public static LoopDatagramSocket Connect(EventLoop loop, EndPoint peer)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentNullException.ThrowIfNull(peer);
        LoopDatagramSocket socket = Create(loop, peer.AddressFamily);
        try
        {
            socket.Connect(peer);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Makes a socket without an address. A UDP socket gets a free port when it first sends.</summary>
    /// <param name="loop">The loop that it belongs to.</param>
    /// <param name="family">IPv4, IPv6 or Unix.</param>
    /// <returns>The socket; the caller disposes it.</returns>
    /// <exception cref="DescriptorLimitException">No descriptor is free.</exception>
    public static LoopDatagramSocket Create(EventLoop loop, AddressFamily family)
    {
        ArgumentNullException.ThrowIfNull(loop);
        return new LoopDatagramSocket(loop, SocketCalls.Create(family, SocketType.Dgram, nonBlocking: true));
    }

    /// <summary>The loop that it belongs to.</summary>
    public EventLoop Loop => _loop;

    /// <summary>The socket's descriptor; valid until this object is disposed.</summary>
    public DescriptorHandle Handle => _handle;

    /// <summary>The address that it has, with the real port; null for a Unix socket without one.</summary>
    /// <exception cref="ObjectDisposedException">The socket is closed.</exception>
    public EndPoint? LocalEndPoint => Hold(static descriptor => SocketCalls.LocalAddress(descriptor)).ToEndPoint();

    /// <summary>From now on sends to one peer (<see cref="SendAsync"/>) and receives from that one only; again for another.</summary>
    /// <param name="peer">The peer.</param>
    /// <exception cref="SystemCallException">The address can't be reached, or no Unix socket has it.</exception>
    /// <exception cref="ObjectDisposedException">The socket is closed.</exception>
    public void Connect(EndPoint peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        Hold(descriptor => SocketCalls.Connect(descriptor, peer)).OrThrow("connect", peer.ToString());
    }

    /// <summary>Receives one datagram, waiting until there is one.</summary>
    /// <param name="buffer">Where the bytes go; what does not fit is lost, and <see cref="ReceivedDatagram.IsTruncated"/>
    /// says so. 65,535 bytes hold any UDP datagram.</param>
    /// <param name="cancellation">Ends the wait; no datagram is lost then.</param>
    /// <returns>Its length and sender.</returns>
    /// <exception cref="InvalidOperationException">A receive is pending already.</exception>
    /// <exception cref="SystemCallException">Of a connected socket: nobody was there for an earlier datagram
    /// (ECONNREFUSED). The socket stays usable.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled, or the loop has ended.</exception>
    public ValueTask<ReceivedDatagram> ReceiveFromAsync(Memory<byte> buffer, CancellationToken cancellation = default)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ReceivedDatagram>(cancellation);
        }
        if (Volatile.Read(ref _fault) is { } fault)
        {
            return ValueTask.FromException<ReceivedDatagram>(fault);
        }
        if (Interlocked.Exchange(ref _receiving, 1) != 0)
        {
            throw new InvalidOperationException("A receive is pending on this socket. Await it before the next one: one receive at a time.");
        }
        bool onLoop = _loop.IsCurrent;
        // Datagrams come in bursts: after one there is often another, which then needs no turn of the loop.
        if (onLoop && _hasMore && _loop.Spend(0) && ReceiveNow(buffer.Span, out ReceivedDatagram datagram) is var result && !result.WouldBlock)
        {
            _loop.Spend(datagram.Count);
            Volatile.Write(ref _receiving, 0);
            return result.Succeeded
                ? new ValueTask<ReceivedDatagram>(datagram)
                : ValueTask.FromException<ReceivedDatagram>(SystemCallException.For("recvfrom", result.Errno));
        }
        _hasMore = false;
        _receive.Reset();
        _buffer = buffer;
        _token = cancellation;
        short version = _receive.Version;
        if (onLoop)
        {
            StartReceive();
        }
        else
        {
            _loop.Post(static self => ((LoopDatagramSocket)self!).StartReceive(), this);
        }
        return new ValueTask<ReceivedDatagram>(this, version);
    }

    private void StartReceive()
    {
        _receivePending = true;
        if (_fault is null && _loop.HasEnded)
        {
            Fault(EventLoop.Ended());
            return;
        }
        if (_fault is not null)
        {
            CompleteReceive(default, _fault);
            return;
        }
        if (_token.CanBeCanceled)
        {
            _registration = _token.UnsafeRegister(static self => ((LoopDatagramSocket)self!).PostCancel(), this);
        }
        Want(Interest.Read);
    }

    private void PostCancel()
    {
        short version = _receive.Version;
        _loop.Post(static state =>
        {
            (LoopDatagramSocket self, short version) = ((LoopDatagramSocket, short))state!;
            if (self._receivePending && self._receive.Version == version)
            {
                self.EndIfCancelled();
            }
        }, (this, version));
    }

    private bool EndIfCancelled()
    {
        if (!_token.IsCancellationRequested)
        {
            return false;
        }
        CompleteReceive(default, new OperationCanceledException(_token));
        return true;
    }

    void IReadyHandler.OnReady(Readiness ready)
    {
        if ((ready & (Readiness.Readable | Readiness.Error | Readiness.HangUp)) != 0)
        {
            if (!_receivePending)
            {
                // Nobody receives: stop watching, or the selector would report it without end.
                Unwant(Interest.Read);
            }
            else if (!EndIfCancelled() && ReceiveNow(_buffer.Span, out ReceivedDatagram datagram) is var result && !result.WouldBlock)
            {
                _hasMore = true;
                CompleteReceive(datagram, result.Succeeded ? null : SystemCallException.For("recvfrom", result.Errno));
            }
        }
        if ((ready & (Readiness.Writable | Readiness.Error | Readiness.HangUp)) != 0 && _fault is null)
        {
            SendWaiting();
        }
    }

    private CallResult ReceiveNow(Span<byte> buffer, out ReceivedDatagram datagram)
    {
        NativeAddress sender = default;
        CallResult result = SocketCalls.ReceiveFrom(_descriptor, buffer, ref sender, SocketCallFlags.DontWait | SocketCallFlags.Truncate);
        datagram = result.Succeeded ? new ReceivedDatagram(Math.Min(result.Value, buffer.Length), result.Value, sender) : default;
        return result;
    }

    private void CompleteReceive(ReceivedDatagram datagram, Exception? exception)
    {
        _receivePending = false;
        _buffer = default;
        if (_token.CanBeCanceled)
        {
            // Unregister, not Dispose: a callback that runs now finds another version and does nothing.
            _registration.Unregister();
            _registration = default;
        }
        CompletionScope scope = CompletionScope.Enter(_receiveWantsContext);
        if (exception is null)
        {
            _receive.SetResult(datagram);
        }
        else
        {
            _receive.SetException(exception);
        }
        scope.Leave();
    }

    ReceivedDatagram IValueTaskSource<ReceivedDatagram>.GetResult(short token)
    {
        if (_receive.GetStatus(token) == ValueTaskSourceStatus.Pending)
        {
            _loop.WaitInline(static self => ((LoopDatagramSocket)self!)._receive.GetStatus(((LoopDatagramSocket)self)._receive.Version) != ValueTaskSourceStatus.Pending, this);
        }
        try
        {
            return _receive.GetResult(token);
        }
        finally
        {
            Volatile.Write(ref _receiving, 0);
        }
    }

    ValueTaskSourceStatus IValueTaskSource<ReceivedDatagram>.GetStatus(short token) => _receive.GetStatus(token);

    void IValueTaskSource<ReceivedDatagram>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        _receiveWantsContext = CompletionScope.WantsContext(_loop.Context, ref flags);
        // Code of another thread goes on elsewhere: here it could hold up the loop.
        _receive.RunContinuationsAsynchronously = !_loop.IsCurrent;
        _receive.OnCompleted(continuation, state, token, flags);
    }
}
