using System.Net;
using System.Runtime.InteropServices;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>What servers of datagrams have in common: their sockets. A request is one datagram (<see cref="DatagramServer"/>),
/// or all those of a peer (<see cref="DatagramSessionServer"/>).</summary>
/// <typeparam name="TRequest"><see cref="Datagram"/> or <see cref="DatagramSession"/>.</typeparam>
public abstract class DatagramServer<TRequest> : SocketServer<TRequest>
    where TRequest : class
{
    private DatagramSockets? _sockets;
    private DatagramReceiver[] _receivers = [];
    private long _lastId;
    private long _droppedTold;

    private protected DatagramServer(ServerAddress address, Concurrency concurrency, ServerOptions? options, string kind)
        : base(address, concurrency, options, kind)
    {
    }

    /// <summary>Sends one datagram to anybody: a peer, a multicast group, or with <see cref="DatagramOptions.Broadcast"/> a
    /// broadcast address. Any thread may call it.</summary>
    /// <param name="data">The datagram, whole.</param>
    /// <param name="receiver">Whom to.</param>
    /// <param name="cancellation">Ends the wait for room in the socket.</param>
    /// <returns>Completes when the kernel has it.</returns>
    /// <exception cref="InvalidOperationException">The server is not bound yet.</exception>
    /// <exception cref="ConnectionEndedException">The server has ended.</exception>
    /// <exception cref="SystemCallException">The kernel refused: too long (EMSGSIZE), no way there (ENETUNREACH), a broadcast
    /// address without the option (EACCES).</exception>
    public ValueTask SendToAsync(ReadOnlyMemory<byte> data, EndPoint receiver, CancellationToken cancellation = default)
    {
        NativeAddress native = NativeAddress.From(receiver);
        return Sockets.SendAsync(data, native, default, cancellation);
    }

    /// <summary>Receives what is sent to a group from now on, beside those of <see cref="DatagramOptions.Groups"/>. Any thread
    /// may call it, once the server is bound.</summary>
    /// <param name="group">The group.</param>
    /// <exception cref="ArgumentException">There is no such network interface, or the group is of another family than the
    /// server's address.</exception>
    /// <exception cref="SystemCallException">The kernel refused: it is joined already (EADDRINUSE), no route (ENODEV).</exception>
    public void Join(MulticastGroup group)
    {
        ArgumentNullException.ThrowIfNull(group);
        Sockets.ChangeGroup(group, join: true);
    }

    /// <summary>Receives no longer what is sent to a group. Any thread may call it.</summary>
    /// <param name="group">The group, as it was joined.</param>
    /// <exception cref="SystemCallException">It was not joined (EADDRNOTAVAIL).</exception>
    public void Leave(MulticastGroup group)
    {
        ArgumentNullException.ThrowIfNull(group);
        Sockets.ChangeGroup(group, join: false);
    }

    private protected DatagramSockets Sockets => _sockets ?? throw new InvalidOperationException($"{Name} has no socket yet. Call Bind or StartAsync first.");

    /// <summary>How many datagrams the kernel has dropped.</summary>
    private protected long DroppedByKernel => _sockets?.Dropped ?? 0;

    private protected override SafeHandle Open(out EndPoint? local)
    {
        _sockets = DatagramSockets.Open(Address, Options, LoopCount);
        local = _sockets.LocalEndPoint;
        // Where a call may have to wait for a thread, the datagrams that nobody has taken yet stay in the kernel.
        int batch = SharesLoops ? Options.Datagrams.ReceiveBatch : 1;
        _receivers = [.. Enumerable.Range(0, LoopCount).Select(_ => new DatagramReceiver(batch, Options.MaxPacketSize))];
        if (Options.Datagrams.ReceiveBuffer is { } asked && _sockets.ReceiveBuffer is var given && given < asked)
        {
            Log.ReceiveBufferCapped(Logger, Name, asked, given);
        }
        return _sockets.First;
    }

    private protected override SafeHandle? HandleOf(int loop) => _sockets?.Of(loop);

    private protected override void Listen()
    {
    }

    /// <summary>The next datagram that waits for the loop that asks; null if none does, or others of the loop have their turn.</summary>
    private protected Datagram? TryReceive()
    {
        int loop = _receivers.Length > 1 ? CurrentLoop : 0;
        DatagramReceiver receiver = _receivers[loop];
        if (!receiver.TryNext(Sockets.Of(loop), Name, out int index))
        {
            TellDropped(receiver);
            return null;
        }
        DatagramBatch batch = receiver.Batch;
        return new Datagram(Interlocked.Increment(ref _lastId), batch.Data(index).ToArray(), batch.OriginalLength(index), batch.Peer(index), batch.Path(index), Sockets);
    }

    /// <summary>Looks for losses where more came than one call takes.</summary>
    private void TellDropped(DatagramReceiver receiver)
    {
        if (receiver.IsFull && Sockets.Dropped is var dropped && dropped > Interlocked.Exchange(ref _droppedTold, dropped) && IsNews(nameof(DatagramOptions.ReceiveBuffer)))
        {
            Log.AtLimit(Logger, Name, $"{dropped} datagrams were lost so far, because the receive buffer was full. Raise DatagramOptions.ReceiveBuffer (now {Sockets.ReceiveBuffer}) and net.core.rmem_max, or serve faster");
        }
    }

    private protected override void CloseSocket(SafeHandle handle)
    {
        // Handlers that run still answer through the first; RunLoop closes it when they have ended.
        _sockets?.EndReceiving();
    }
}
