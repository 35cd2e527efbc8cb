using System.Net;
using Switchboard.Linux;

namespace Switchboard.Servers;

/// <summary>One datagram that came in, and the way to answer its sender.</summary>
public sealed class Datagram
{
    private readonly NativeAddress _remote;
    private readonly DatagramPath _path;
    private readonly DatagramSockets _sockets;

    internal Datagram(long id, ReadOnlyMemory<byte> data, int length, in NativeAddress remote, in DatagramPath path, DatagramSockets sockets)
    {
        Id = id;
        Data = data;
        OriginalLength = length;
        _remote = remote;
        _path = path;
        _sockets = sockets;
    }

    /// <summary>A number that no other datagram of this server has.</summary>
    public long Id { get; }

    /// <summary>Its bytes, yours to keep.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>How long it was when it was sent.</summary>
    public int OriginalLength { get; }

    /// <summary>What its handler threw first; null if nothing.</summary>
    internal Exception? Failure { get; set; }

    /// <summary>True if it was longer than <see cref="ServerOptions.MaxPacketSize"/>, so that its end is lost.</summary>
    public bool IsTruncated => OriginalLength > Data.Length;

    /// <summary>The sender; null for a Unix sender that is not bound, which can't be answered.</summary>
    public EndPoint? RemoteEndPoint => _remote.ToEndPoint();

    /// <summary>The address that it was sent to, also where the server is on all addresses: one of this machine's, a multicast
    /// group or a broadcast address. An answer leaves by the same address, or by that of the interface if it was a group.</summary>
    public EndPoint? LocalEndPoint => _sockets.LocalEndPoint is IPEndPoint { AddressFamily: var family, Port: var port } && _path.Destination is { } destination
        ? new IPEndPoint(destination.AddressFamily == family ? destination : destination.MapToIPv6(), port)
        : _sockets.LocalEndPoint;

    /// <summary>The number of the network interface by which it came, where the server is on all addresses; else 0.</summary>
    public int InterfaceNumber => _path.Interface;

    internal ref readonly NativeAddress Remote => ref _remote;

    internal ref readonly DatagramPath Path => ref _path;

    /// <summary>Sends one datagram to the sender. May be called from any thread, any number of times.</summary>
    /// <param name="data">The datagram, whole.</param>
    /// <param name="cancellation">Ends the wait for room in the socket.</param>
    /// <returns>Completes when the kernel has it.</returns>
    /// <exception cref="InvalidOperationException">The sender has no address.</exception>
    /// <exception cref="SystemCallException">The kernel refused: too long (EMSGSIZE), nobody there any more.</exception>
    public ValueTask ReplyAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation = default)
    {
        if (!_remote.IsSpecified)
        {
            throw new InvalidOperationException("The sender's Unix socket is not bound to an address, so it can't be answered. Have the client bind its socket.");
        }
        return _sockets.SendAsync(data, _remote, _path, cancellation);
    }
}

/// <summary>Serves one datagram. A new object serves each.</summary>
/// <remarks>It is disposed as a <see cref="CallHandler"/> is.</remarks>
public abstract class DatagramRequestHandler
{
    private Datagram? _datagram;

    /// <summary>The datagram.</summary>
    /// <exception cref="InvalidOperationException">The handler serves none yet.</exception>
    public Datagram Datagram => _datagram ?? throw new InvalidOperationException("The handler serves no datagram yet. Use it in Setup, Handle and Finish, not in the constructor.");

    /// <summary>Prepares. If it fails, neither handle nor finish runs.</summary>
    /// <param name="stop">Cancelled when the server stops.</param>
    /// <returns>Completes when it is prepared.</returns>
    protected virtual Task SetupAsync(CancellationToken stop) => Task.CompletedTask;

    /// <summary>Serves the datagram.</summary>
    /// <param name="stop">Cancelled when the server stops.</param>
    /// <returns>Completes when it is served.</returns>
    protected abstract Task HandleAsync(CancellationToken stop);

    /// <summary>Runs after handle, whether it returned or failed.</summary>
    /// <returns>Completes when all is cleared up.</returns>
    protected virtual Task FinishAsync() => Task.CompletedTask;

    /// <summary>Sends one datagram to the sender.</summary>
    /// <param name="data">The datagram, whole.</param>
    /// <param name="cancellation">Ends the wait for room in the socket.</param>
    /// <returns>Completes when the kernel has it.</returns>
    protected ValueTask ReplyAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation = default) => Datagram.ReplyAsync(data, cancellation);

    /// <summary>Serves a datagram from beginning to end: setup, handle, and finish even if handle failed.</summary>
    /// <param name="datagram">The datagram.</param>
    /// <param name="stop">Cancelled when the server stops.</param>
    /// <returns>Completes when it is served.</returns>
    public async Task RunAsync(Datagram datagram, CancellationToken stop = default)
    {
        if (Interlocked.CompareExchange(ref _datagram, datagram, null) is not null)
        {
            throw new HandlerTakenException(this, "a datagram", "datagram");
        }
        await SetupAsync(stop);
        try
        {
            await HandleAsync(stop);
        }
        finally
        {
            await FinishAsync();
        }
    }
}

/// <summary>A datagram handler that is a lambda.</summary>
internal sealed class LambdaDatagramHandler(Func<Datagram, CancellationToken, Task> handle) : DatagramRequestHandler
{
    protected override Task HandleAsync(CancellationToken stop) => handle(Datagram, stop);
}
