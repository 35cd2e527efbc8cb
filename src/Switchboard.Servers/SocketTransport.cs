using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A connection's bytes on a socket. Until the call has a loop it can only be closed or sent a last word.</summary>
internal sealed class SocketTransport(DescriptorHandle handle, NativeAddress remote) : Transport, ILoopSocketOwner
{
    private readonly NativeAddress _remote = remote;
    private volatile LoopSocket? _socket;
    private Connection? _connection;
    private Exception? _abortedEarly;

    internal override EventLoop? Loop => _socket?.Loop;

    internal override EndPoint? RemoteEndPoint => _remote.ToEndPoint();

    internal override EndPoint? LocalEndPoint => handle.IsClosed ? null : SocketCalls.LocalAddress(handle.Number).ToEndPoint();

    internal override long Received => _socket?.Received ?? 0;

    internal override long Sent => _socket?.Sent ?? 0;

    internal override bool EndOfInput => _socket?.EndOfInput ?? false;

    internal DescriptorHandle Handle => handle;

    TimeSpan ILoopSocketOwner.IdleLimit => Connection.Limits.Idle;

    TimeSpan ILoopSocketOwner.WriteStallLimit => Connection.Limits.WriteStall;

    int ILoopSocketOwner.PendingSendLimit => Connection.Limits.PendingSend;

    CancellationToken ILoopSocketOwner.StopToken => Connection.Stopping;

    private Connection Connection => _connection ?? throw NotStarted();

    private LoopSocket Socket => _socket ?? throw NotStarted();

    internal Type? HandlerType => Connection.HandlerType;

    internal void Belong(Connection connection) => _connection = connection;

    /// <summary>Gives the call its loop. On the loop's thread.</summary>
    internal void Attach(EventLoop loop)
    {
        var socket = new LoopSocket(loop, handle, this);
        _socket = socket;
        // Against Abort on another thread: each writes its own field before it reads the other's.
        Interlocked.MemoryBarrier();
        if (_abortedEarly is { } cause)
        {
            socket.Abort(cause);
        }
    }

    internal override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation) => Socket.ReadAsync(buffer, cancellation);

    internal override int TryRead(Span<byte> buffer) => Socket.TryRead(buffer);

    internal override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation) => Socket.WriteAsync(buffer, cancellation);

    internal override bool TrySend(ReadOnlySpan<byte> message) => _socket is { } socket
        ? socket.TrySend(message)
        : SocketCalls.Send(handle.Number, message, SocketCallFlags.DontWait).Value == message.Length;

    internal override int Read(Span<byte> buffer) => Socket.Read(buffer);

    internal override void Write(ReadOnlySpan<byte> buffer) => Socket.Write(buffer);

    internal override ValueTask CloseOutputAsync() => Socket.CloseOutputAsync();

    /// <summary>Ends a read that the handler has left behind. On the loop's thread.</summary>
    internal void EndRead() => _socket?.EndRead(((ILoopSocketOwner)this).OnClosed());

    internal override ValueTask FlushAsync() => _socket?.FlushAsync() ?? ValueTask.CompletedTask;

    internal override void SetNoDelay(bool noDelay)
    {
        CallResult result = SocketCalls.SetOption(handle.Number, SocketCallOption.NoDelay, noDelay ? 1 : 0);
        if (result.Errno != Errno.NotSupported)
        {
            result.OrThrow("setsockopt", "TCP_NODELAY");
        }
    }

    internal override void Abort(Exception cause)
    {
        _abortedEarly = cause;
        Interlocked.MemoryBarrier();
        _socket?.Abort(cause);
    }

    /// <summary>Makes a blocking read return the end of input, and no more come. Any thread.</summary>
    internal void EndInput() => _socket?.ShutdownNow(SocketShutdown.Receive);

    /// <summary>Wakes a blocked read or write for good. Any thread.</summary>
    internal void EndBoth() => _socket?.ShutdownNow(SocketShutdown.Both);

    internal void CancelStopReads() => _socket?.Loop.Post(static socket => ((LoopSocket)socket!).CancelOwnerReads(), _socket);

    public override string ToString() => $"{_connection}";

    internal override void Close()
    {
        if (_socket is { } socket)
        {
            socket.Dispose();
        }
        else
        {
            handle.Dispose();
        }
    }

    Exception ILoopSocketOwner.OnIdle(TimeSpan limit) => Connection.Broken(ConnectionEndReason.Idle,
        $"No byte came from the peer for {limit}, which is ConnectionLimits.Idle.");

    Exception ILoopSocketOwner.OnWriteStalled(TimeSpan limit) => Connection.Broken(ConnectionEndReason.WriteStalled,
        $"The peer took no byte for {limit}, which is ConnectionLimits.WriteStall.");

    Exception ILoopSocketOwner.OnError(SystemCallException error) => Connection.Broken(ConnectionEndReason.Reset,
        $"The connection was lost: {error.Message}", error);

    Exception ILoopSocketOwner.OnTornWrite(int sent, int length) => Connection.Broken(ConnectionEndReason.Aborted,
        $"A write was cancelled after {sent} of its {length} bytes were sent, which ends the connection: a part can't be taken back.");

    Exception ILoopSocketOwner.OnClosed() => new ConnectionEndedException(Connection.Reason ?? ConnectionEndReason.HandlerReturned,
        "The call has ended, and its connection with it. Await what you began before the handler returns.");

    private static InvalidOperationException NotStarted() =>
        new("The call has not started yet, so the connection can't be read or written. Do that in the handler; before it, only TrySend and Abort work.");
}
