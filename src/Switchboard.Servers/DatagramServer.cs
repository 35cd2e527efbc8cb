using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A server of datagrams: UDP or Unix datagram sockets; one in, any number out. Steps and hooks are those of
/// <see cref="SocketServer{TRequest}"/>.</summary>
public abstract class DatagramServer : SocketServer<Datagram>
{
    private static readonly TimeSpan _shortestPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan _longestPause = TimeSpan.FromMilliseconds(32);

    private readonly Func<DatagramRequestHandler> _makeHandler;
    private readonly string _handlerName;
    private Type? _newestHandler;
    private long _lastId;

    private DescriptorHandle Handle => (DescriptorHandle)SocketHandle!;

    private protected DatagramServer(ServerAddress address, HandlerSource<DatagramRequestHandler> handlers, Concurrency concurrency, ServerOptions? options, string kind)
        : base(address, concurrency, options, kind)
    {
        _makeHandler = handlers.Make;
        _handlerName = handlers.Name;
    }

    /// <inheritdoc/>
    public override ServerStatistics Statistics => new(Accepted, OpenCalls, Pauses, new Dictionary<ConnectionEndReason, long>());

    private protected override SafeHandle Open(out EndPoint? local)
    {
        DescriptorHandle handle = BoundSocket.Create(Address.EndPoint, SocketType.Dgram, Options.Socket);
        local = SocketCalls.LocalAddress(handle.Number).ToEndPoint();
        return handle;
    }

    private protected override void Listen()
    {
    }

    /// <inheritdoc/>
    protected override Datagram? GetRequest()
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Options.MaxPacketSize);
        try
        {
            return Receive(buffer.AsSpan(0, Options.MaxPacketSize));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private Datagram? Receive(Span<byte> buffer)
    {
        NativeAddress peer = default;
        CallResult result = SocketCalls.ReceiveFrom(Handle.Number, buffer, ref peer, SocketCallFlags.DontWait | SocketCallFlags.Truncate);
        if (result.WouldBlock)
        {
            return null;
        }
        if (result.Errno == Errno.ConnectionRefused)
        {
            // An earlier reply found nobody there; that says nothing of the datagrams that wait.
            return Receive(buffer);
        }
        int length = result.OrThrow("recvfrom", Name);
        byte[] data = buffer[..Math.Min(length, buffer.Length)].ToArray();
        return new Datagram(Interlocked.Increment(ref _lastId), data, length, peer, SendAsync, LocalEndPoint);
    }

    /// <inheritdoc/>
    protected override Task FinishAsync(Datagram request, CancellationToken stop)
    {
        DatagramRequestHandler handler = _makeHandler();
        _newestHandler = handler.GetType();
        return handler.RunAsync(request, stop);
    }

    private async ValueTask SendAsync(ReadOnlyMemory<byte> data, NativeAddress remote, CancellationToken cancellation)
    {
        TimeSpan pause = _shortestPause;
        CallResult result;
        while ((result = Send(data.Span, remote)).WouldBlock)
        {
            if (Address.EndPoint.AddressFamily == AddressFamily.Unix)
            {
                // The receiver's queue is full. The kernel tells that to sockets only that are connected to it, and calls
                // this one writable all the time.
                await Task.Delay(pause, cancellation);
                pause = pause < _longestPause ? pause * 2 : pause;
            }
            else
            {
                await DescriptorReadiness.WaitAsync(Handle, Interest.Write, cancellation);
            }
        }
        result.OrThrow("sendto", remote.ToEndPoint()?.ToString());
    }

    private CallResult Send(ReadOnlySpan<byte> data, in NativeAddress remote)
    {
        DescriptorHandle handle = Handle;
        bool isHeld = false;
        try
        {
            // Any thread may reply: without this the server could close the descriptor, and another get its number, before
            // it is used.
            handle.DangerousAddRef(ref isHeld);
            return SocketCalls.SendTo(handle.Number, data, remote, SocketCallFlags.DontWait);
        }
        catch (ObjectDisposedException)
        {
            throw new ConnectionEndedException(ConnectionEndReason.Stopped, "The server was stopped, so its socket is closed. Reply before the handler returns.");
        }
        finally
        {
            if (isHeld)
            {
                handle.DangerousRelease();
            }
        }
    }

    private protected override void CloseSocket(SafeHandle handle)
    {
        // Handlers that run still answer through it; RunLoop closes it when they have ended.
    }

    private protected override string Describe(Datagram request) => $"datagram {request.Id} of {request.RemoteEndPoint?.ToString() ?? "an unnamed sender"}";

    private protected override string DescribeWork(object work) => BlockedWork.Describe(work)
        ?? (_newestHandler is { } handler && handler != typeof(LambdaDatagramHandler) ? handler.Name : _handlerName);

    private protected override void Attach(Datagram request, EventLoop? loop)
    {
    }

    private protected override void Mark(Datagram request, ConnectionEndReason reason, Exception? exception)
    {
    }

    private protected override bool HasEndedItself(Datagram request) => false;

    private protected override void TellStop(Datagram request)
    {
    }

    private protected override void Cut(Datagram request)
    {
    }

    private protected override void Discard(Datagram request, ConnectionEndReason reason) => CloseRequest(request);
}
