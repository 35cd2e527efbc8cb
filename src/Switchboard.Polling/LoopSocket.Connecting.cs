using System.Net;
using Switchboard.Linux;

namespace Switchboard.Polling;

// Sockets without a server: made here, and no limits but those of their tokens.
public sealed partial class LoopSocket : ILoopWaiter, IAsyncDisposable
{
    private EndPoint? _remote;

    /// <summary>Takes a connected socket without limits of time; at most 64 KiB of <see cref="TrySend"/> wait.</summary>
    /// <param name="loop">The loop that it belongs to from now on.</param>
    /// <param name="handle">The socket, blocking or not; disposed with this object.</param>
    public LoopSocket(EventLoop loop, DescriptorHandle handle) : this(loop, handle, PlainSocketOwner.Instance)
    {
    }

    /// <summary>The socket's own address; null for a Unix socket without a name, and once it is closed.</summary>
    public EndPoint? LocalEndPoint => Ask(static (int descriptor, out NativeAddress address) => address = SocketCalls.LocalAddress(descriptor));

    /// <summary>The peer's address; null for a Unix peer without a name, and if the connection was lost before anybody
    /// asked.</summary>
    public EndPoint? RemoteEndPoint => _remote ??= Ask(static (int descriptor, out NativeAddress address) => SocketCalls.PeerAddress(descriptor, out address));

    private delegate void AddressCall(int descriptor, out NativeAddress address);

    /// <summary>Connects a stream socket, without blocking the loop or the caller. Any thread may call it.</summary>
    /// <param name="loop">The loop that the socket belongs to.</param>
    /// <param name="address">Whom to reach: IPv4, IPv6 or Unix. TCP connections send small pieces at once (TCP_NODELAY).</param>
    /// <param name="cancellation">Ends the attempt and closes its descriptor.</param>
    /// <returns>The connected socket; the caller disposes it. A full backlog of a Unix listener is waited for.</returns>
    /// <exception cref="SystemCallException">Nobody listens there, the address can't be reached, or the kernel refused for
    /// another reason (<c>connect(2)</c>).</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled, or the loop has ended.</exception>
    public static Task<LoopSocket> ConnectAsync(EventLoop loop, EndPoint address, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentNullException.ThrowIfNull(address);
        return cancellation.IsCancellationRequested ? Task.FromCanceled<LoopSocket>(cancellation) : WrapAsync();

        async Task<LoopSocket> WrapAsync() => new(loop, await new ConnectOperation(loop, address, ConnectSettings.Default, cancellation).Start().ConfigureAwait(loop.IsCurrent))
        {
            _remote = address,
            IsTcp = address is IPEndPoint,
        };
    }

    /// <summary>Makes two connected Unix stream sockets, as <c>socketpair(2)</c>.</summary>
    /// <param name="loop">The loop that both belong to.</param>
    /// <returns>Both ends; the caller disposes them.</returns>
    /// <exception cref="DescriptorLimitException">No descriptor is free.</exception>
    public static (LoopSocket First, LoopSocket Second) CreatePair(EventLoop loop)
    {
        ArgumentNullException.ThrowIfNull(loop);
        (DescriptorHandle first, DescriptorHandle second) = SocketCalls.CreatePair();
        return (new LoopSocket(loop, first), new LoopSocket(loop, second));
    }

    /// <summary>As <see cref="Dispose"/>, and waits until the descriptor is closed. Any thread may call it.</summary>
    /// <returns>Completes when it is closed.</returns>
    public ValueTask DisposeAsync()
    {
        if (!_loop.RunsElsewhere)
        {
            DisposeNow();
            return ValueTask.CompletedTask;
        }
        return new ValueTask(_loop.InvokeAsync(DisposeNow));
    }

    void ILoopWaiter.OnLoopEnded() => LeaveEndedLoop();

    private void LeaveEndedLoop()
    {
        Fault(_owner.OnLoopEnded());
        if (_key is { IsRegistered: true } key)
        {
            _loop.Unregister(key);
        }
    }

    private EndPoint? Ask(AddressCall call)
    {
        bool held = false;
        try
        {
            _handle.DangerousAddRef(ref held);
            call(_descriptor, out NativeAddress address);
            return address.ToEndPoint();
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
        finally
        {
            if (held)
            {
                _handle.DangerousRelease();
            }
        }
    }
}
