using System.Net;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>The sockets of a datagram server: one for all its loops, or one for each where they share a port. What is sent
/// goes out by the first.</summary>
internal sealed class DatagramSockets
{
    private static readonly TimeSpan _shortestPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan _longestPause = TimeSpan.FromMilliseconds(32);

    private readonly DescriptorHandle[] _handles;
    private readonly bool _isUnix;
    private long _droppedBefore;
    private bool _isClosed;

    private DatagramSockets(DescriptorHandle[] handles, EndPoint? local)
    {
        _handles = handles;
        LocalEndPoint = local;
        _isUnix = local is not IPEndPoint;
    }

    internal static DatagramSockets Open(ServerAddress address, ServerOptions options, int loops)
    {
        if (address.Descriptor is { } passed)
        {
            // One for all loops, whatever ReusePort says: a second one would not be the socket that was passed.
            DescriptorHandle adopted = BoundSocket.AdoptDatagram(passed, options.Socket, options.Datagrams);
            return new DatagramSockets([adopted], SocketCalls.LocalAddress(adopted.Number).ToEndPoint());
        }
        List<DescriptorHandle> handles = [BoundSocket.CreateDatagram(address.EndPoint, options.Socket, options.Datagrams)];
        try
        {
            EndPoint? local = SocketCalls.LocalAddress(handles[0].Number).ToEndPoint();
            while (options.Socket.ReusePort && local is IPEndPoint && handles.Count < loops)
            {
                handles.Add(BoundSocket.CreateDatagram(local, options.Socket, options.Datagrams));
            }
            return new DatagramSockets([.. handles], local);
        }
        catch
        {
            handles.ForEach(handle => handle.Dispose());
            throw;
        }
    }

    internal EndPoint? LocalEndPoint { get; }

    /// <summary>What sends, and what the first loop receives from.</summary>
    internal DescriptorHandle First => _handles[0];

    /// <summary>True if each loop has a socket of its own.</summary>
    internal bool IsOneALoop => _handles.Length > 1;

    internal DescriptorHandle Of(int loop) => _handles[IsOneALoop ? loop : 0];

    /// <summary>How much room the kernel has given for what waits to be received, in the terms of the option.</summary>
    internal int ReceiveBuffer => SocketCalls.GetOption(First.Number, SocketCallOption.ReceiveBuffer).OrThrow("getsockopt") / 2;

    /// <summary>How many datagrams the kernel has dropped. Any thread.</summary>
    internal long Dropped
    {
        get
        {
            if (Volatile.Read(ref _isClosed))
            {
                return _droppedBefore;
            }
            long dropped = 0;
            foreach (DescriptorHandle handle in _handles)
            {
                dropped += handle.WhileOpen(SocketCalls.Dropped) is { Succeeded: true, Value: var count } ? count : 0;
            }
            return dropped;
        }
    }

    internal void ChangeGroup(MulticastGroup group, bool join)
    {
        foreach (DescriptorHandle handle in _handles)
        {
            BoundSocket.ChangeGroup(handle.Number, group, join);
        }
    }

    /// <summary>Receives no more. What sends stays, for the calls that run.</summary>
    internal void EndReceiving()
    {
        long dropped = Dropped;
        _droppedBefore = dropped;
        Volatile.Write(ref _isClosed, true);
        foreach (DescriptorHandle handle in _handles[1..])
        {
            handle.Dispose();
        }
    }

    /// <summary>Sends one datagram, waiting while there is no room. Any thread.</summary>
    internal ValueTask SendAsync(ReadOnlyMemory<byte> data, in NativeAddress remote, in DatagramPath path, CancellationToken cancellation)
    {
        CallResult result;
        try
        {
            result = Send(data.Span, remote, path);
        }
        catch (ObjectDisposedException)
        {
            return ValueTask.FromException(new ConnectionEndedException(ConnectionEndReason.Stopped, "The server was stopped, so its socket is closed. Reply before the handler returns."));
        }
        if (result.Succeeded)
        {
            // The others of the loop have their turn although the kernel takes all that this one sends.
            return EventLoop.Current is { } loop && !loop.Spend(data.Length) ? YieldAsync() : ValueTask.CompletedTask;
        }
        return result.WouldBlock ? SendLaterAsync(data, remote, path, cancellation) : ValueTask.FromException(Failure(result, remote));
    }

    private static async ValueTask YieldAsync() => await Task.Yield();

    private async ValueTask SendLaterAsync(ReadOnlyMemory<byte> data, NativeAddress remote, DatagramPath path, CancellationToken cancellation)
    {
        TimeSpan pause = _shortestPause;
        CallResult result;
        do
        {
            if (_isUnix)
            {
                // The receiver's queue is full. The kernel tells that to sockets only that are connected to it, and calls
                // this one writable all the time.
                await Task.Delay(pause, cancellation);
                pause = pause < _longestPause ? pause * 2 : pause;
            }
            else
            {
                await DescriptorReadiness.WaitAsync(First, Interest.Write, cancellation);
            }
            result = Send(data.Span, remote, path);
        }
        while (result.WouldBlock);
        if (!result.Succeeded)
        {
            throw Failure(result, remote);
        }
    }

    private CallResult Send(ReadOnlySpan<byte> data, in NativeAddress remote, in DatagramPath path)
    {
        bool isHeld = false;
        try
        {
            // Any thread may reply: without this the server could close the descriptor, and another get its number, before
            // it is used.
            First.DangerousAddRef(ref isHeld);
            return path.IsKnown
                ? SocketCalls.SendTo(First.Number, data, remote, path, SocketCallFlags.DontWait)
                : SocketCalls.SendTo(First.Number, data, remote, SocketCallFlags.DontWait);
        }
        finally
        {
            if (isHeld)
            {
                First.DangerousRelease();
            }
        }
    }

    private static SystemCallException Failure(CallResult result, in NativeAddress remote) => SystemCallException.For("sendto", result.Errno, remote.ToEndPoint()?.ToString());
}
