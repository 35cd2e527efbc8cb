using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A connection's bytes on a socket that a loop watches.</summary>
internal sealed class SocketTransport(DescriptorHandle handle, NativeAddress remote) : StreamTransport, ILoopSocketOwner
{
    private readonly NativeAddress _remote = remote;
    private volatile LoopSocket? _socket;
    private Exception? _abortedEarly;

    internal override SynchronizationContext? Context => _socket?.Loop.Context;

    internal override bool IsCurrent => _socket is { Loop.IsCurrent: true };

    internal override bool HasUnread => DescriptorCalls.CountUnread(handle.Number) is not { Succeeded: true, Value: 0 };

    internal override int Descriptor => handle.Number;

    internal override EndPoint? RemoteEndPoint => _remote.ToEndPoint();

    internal override EndPoint? LocalEndPoint => handle.IsClosed ? null : SocketCalls.LocalAddress(handle.Number).ToEndPoint();

    internal override long Received => _socket?.Received ?? 0;

    internal override long Sent => _socket?.Sent ?? 0;

    internal override bool EndOfInput => _socket?.EndOfInput ?? false;

    internal override bool IsReading => _socket is { IsReading: true };

    internal DescriptorHandle Handle => handle;

    TimeSpan ILoopSocketOwner.IdleLimit => Connection.Limits.Idle;

    TimeSpan ILoopSocketOwner.FirstByteLimit => Connection.FirstByteLimit;

    TimeSpan ILoopSocketOwner.WriteStallLimit => Connection.Limits.WriteStall;

    int ILoopSocketOwner.PendingSendLimit => Connection.Limits.PendingSend;

    CancellationToken ILoopSocketOwner.StopToken => Connection.Stopping;

    private LoopSocket Socket => _socket ?? throw NotStarted();

    internal StreamServer? Server => Connection.Server;

    internal Type? HandlerType => Connection.HandlerType;

    internal override void Attach(EventLoop? loop)
    {
        var socket = new LoopSocket(loop!, handle, this) { IsTcp = _remote.IsInternet };
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

    internal override bool TryAwaitRead(IReadWaiter waiter, CancellationToken cancellation) => Socket.TryAwaitRead(waiter, cancellation);

    internal override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation) => Socket.WriteAsync(buffer, cancellation);

    internal override bool TrySend(ReadOnlySpan<byte> message) => _socket is { } socket
        ? socket.TrySend(message)
        : SocketCalls.Send(handle.Number, message, SocketCallFlags.DontWait).Value == message.Length;

    internal override int Read(Span<byte> buffer) => Socket.Read(buffer);

    internal override void Write(ReadOnlySpan<byte> buffer) => Socket.Write(buffer);

    internal override ValueTask CloseOutputAsync() => Socket.CloseOutputAsync();

    internal override void ExpectFirstByte() => Socket.ExpectFirstByte();

    internal override ValueTask EndReadAsync()
    {
        _socket?.EndRead(OnClosed());
        return ValueTask.CompletedTask;
    }

    internal override ValueTask FlushAsync() => _socket?.FlushAsync() ?? ValueTask.CompletedTask;

    internal override void SetNoDelay(bool noDelay)
    {
        CallResult result = SocketCalls.SetOption(handle.Number, SocketCallOption.NoDelay, noDelay ? 1 : 0);
        if (result.Errno != Errno.NotSupported)
        {
            result.OrThrow("setsockopt", "TCP_NODELAY");
        }
    }

    internal override void WaitInline(Func<object?, bool> done, object? state) => Socket.Loop.WaitInline(done, state);

    internal override void Abort(Exception cause)
    {
        _abortedEarly = cause;
        Interlocked.MemoryBarrier();
        _socket?.Abort(cause);
    }

    internal override void EndInput() => _socket?.ShutdownNow(SocketShutdown.Receive);

    internal override void EndBoth() => _socket?.ShutdownNow(SocketShutdown.Both);

    internal override void CancelStopReads() => _socket?.Loop.Post(static socket => ((LoopSocket)socket!).CancelOwnerReads(), _socket);

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

    Exception ILoopSocketOwner.OnIdle(TimeSpan limit) => OnIdle(limit);

    Exception ILoopSocketOwner.OnNoFirstByte(TimeSpan limit) => OnNoFirstByte(limit);

    void ILoopSocketOwner.OnPendingSendFull() => Connection.OnPendingSendFull();

    Exception ILoopSocketOwner.OnWriteStalled(TimeSpan limit) => OnWriteStalled(limit);

    Exception ILoopSocketOwner.OnError(SystemCallException error) => OnError(error);

    Exception ILoopSocketOwner.OnTornWrite(int sent, int length) => OnTornWrite(sent, length);

    Exception ILoopSocketOwner.OnClosed() => OnClosed();
}
