using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>A socket that takes callers: bound, listening, accepting without waiting. Not thread-safe, but for
/// <see cref="Dispose"/>.</summary>
public sealed partial class Listener : IDisposable
{
    private readonly DescriptorHandle _handle;
    private readonly AcceptCall _accept;

    /// <summary><c>accept4(2)</c>, or a stand-in that fails on purpose in tests.</summary>
    internal delegate CallResult AcceptCall(int descriptor, ref NativeAddress peer);

    private Listener(DescriptorHandle handle, AcceptCall accept)
    {
        _handle = handle;
        _accept = accept;
    }

    /// <summary>Makes a stream socket with an address; it does not listen yet.</summary>
    /// <param name="address">IPv4, IPv6 or Unix; port 0 for a free one.</param>
    /// <param name="options">How.</param>
    /// <returns>The listener.</returns>
    /// <exception cref="AddressInUseException">Somebody answers on the address.</exception>
    /// <exception cref="SystemCallException">The kernel refused.</exception>
    public static Listener Bind(EndPoint address, ListenerOptions options) => Bind(address, options, AcceptFromKernel);

    internal static Listener Bind(EndPoint address, ListenerOptions options, AcceptCall accept) =>
        new(BoundSocket.Create(address, SocketType.Stream, options), accept);

    /// <summary>Takes a socket that another program has bound and passed on, listening or not yet
    /// (<see cref="BoundSocket.Adopt"/>).</summary>
    /// <param name="descriptor">The descriptor that was passed; it stays open, and the listener has one of its own.</param>
    /// <param name="options">Only what accepted connections inherit is set.</param>
    /// <returns>The listener.</returns>
    /// <exception cref="BadDescriptorException">It is not open.</exception>
    /// <exception cref="SystemCallException">It is not a socket that takes callers.</exception>
    public static Listener Adopt(int descriptor, ListenerOptions options) =>
        new(BoundSocket.Adopt(descriptor, SocketType.Stream, options), AcceptFromKernel);

    /// <summary>The address that it has, with the real port.</summary>
    public EndPoint LocalEndPoint => SocketCalls.LocalAddress(_handle.Number).ToEndPoint()
        ?? throw new InvalidOperationException("The listener has no address.");

    /// <summary>The descriptor, for a selector; valid until this object is disposed.</summary>
    public DescriptorHandle Handle => _handle;

    /// <summary>Starts to take callers, as <c>listen(2)</c>. A socket that listens already keeps its backlog.</summary>
    /// <param name="backlog">How many may wait to be accepted, 0 or more; the kernel caps it at net.core.somaxconn.</param>
    public void Listen(int backlog)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(backlog);
        if (!SocketCalls.Kind(_handle.Number).IsListening)
        {
            SocketCalls.Listen(_handle.Number, backlog);
        }
    }

    /// <summary>Takes one caller if one is there.</summary>
    /// <param name="peer">Where its address goes.</param>
    /// <returns>Its descriptor, blocking and close-on-exec, owned by whoever called this; or the error, for
    /// <see cref="AcceptErrors.PolicyFor"/>.</returns>
    public CallResult Accept(ref NativeAddress peer) => _accept(_handle.Number, ref peer);

    /// <summary>Closes the listener; who waits in the backlog is reset by the kernel. Each pending
    /// <see cref="AcceptAsync"/> ends on its loop; the descriptor is closed when the last of them has ended.</summary>
    public void Dispose()
    {
        EndAccepting();
        _handle.Dispose();
    }

    private static CallResult AcceptFromKernel(int descriptor, ref NativeAddress peer) => SocketCalls.Accept(descriptor, ref peer);
}
