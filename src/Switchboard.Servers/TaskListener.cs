using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A listener on a socket of the base library. It can't be asked whether a caller waits, only for the next one,
/// who may come later. On the loop that accepts.</summary>
internal sealed class TaskListener : IDisposable
{
    private readonly Socket _socket;
    private readonly Action _onCaller;
    private Task<Socket>? _next;

    private TaskListener(Socket socket, Action onCaller)
    {
        _socket = socket;
        _onCaller = onCaller;
    }

    internal SafeHandle Handle => _socket.SafeHandle;

    internal EndPoint? LocalEndPoint => _socket.LocalEndPoint;

    /// <summary>Makes a stream socket with an address; it does not listen yet.</summary>
    /// <param name="address">IPv4, IPv6 or Unix; port 0 for a free one.</param>
    /// <param name="options">How.</param>
    /// <param name="onCaller">Called on any thread when a caller has come who was asked for in vain.</param>
    internal static TaskListener Bind(EndPoint address, ListenerOptions options, Action onCaller)
    {
        if (address.AddressFamily == AddressFamily.Unix)
        {
            // What becomes of the files of dead servers is known there.
            return new TaskListener(Wrap(BoundSocket.Create(address, SocketType.Stream, options)), onCaller);
        }
        // The base library sets SO_REUSEADDR, and it alone, on sockets that were made with the protocol's name.
        var socket = new Socket(address.AddressFamily, SocketType.Stream, options.ReuseAddress ? ProtocolType.Tcp : ProtocolType.Unspecified);
        try
        {
            if (address.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = options.DualMode;
            }
            if (options.ReusePort)
            {
                LinuxPlatform.Require();
                SocketCalls.SetOption((int)socket.Handle, SocketCallOption.ReusePort, 1).OrThrow("setsockopt", "SO_REUSEPORT");
            }
            socket.NoDelay = options.NoDelay;
            options.Probing.Set(socket);
            socket.Bind(address);
            return new TaskListener(socket, onCaller);
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            throw exception.SocketErrorCode.ToSystemCall("bind", address.ToString());
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Takes a socket that another program has bound and passed on.</summary>
    internal static TaskListener Adopt(int descriptor, ListenerOptions options, Action onCaller) =>
        new(Wrap(BoundSocket.Adopt(descriptor, SocketType.Stream, options)), onCaller);

    internal void Listen(int backlog)
    {
        try
        {
            if (_socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.AcceptConnection) is not 0)
            {
                // Another program passed it on, with the backlog that it chose.
                return;
            }
            _socket.Listen(backlog);
        }
        catch (SocketException exception)
        {
            throw exception.SocketErrorCode.ToSystemCall("listen", $"{LocalEndPoint}");
        }
    }

    /// <summary>Takes the next caller. If none is there, null; the one who comes is told of.</summary>
    /// <exception cref="SystemCallException">Accepting failed.</exception>
    internal TaskTransport? TryAccept()
    {
        if (_next is null)
        {
            _next = AcceptAsync();
            if (!_next.IsCompleted)
            {
                _next.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(_onCaller);
            }
        }
        if (!_next.IsCompleted)
        {
            return null;
        }
        Task<Socket> accepted = _next;
        _next = null;
        try
        {
            return new TaskTransport(accepted.GetAwaiter().GetResult());
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            throw BaseSocketErrors.Of(exception).ToSystemCall("accept");
        }
    }

    private async Task<Socket> AcceptAsync() => await _socket.AcceptAsync().ConfigureAwait(false);

    public void Dispose()
    {
        _socket.Dispose();
        // Who came in at the last moment is not served any more.
        _next?.ContinueWith(static accepted =>
        {
            if (accepted.IsCompletedSuccessfully)
            {
                accepted.Result.Dispose();
            }
            else
            {
                _ = accepted.Exception;
            }
        }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private static Socket Wrap(DescriptorHandle handle)
    {
        var descriptor = new SafeSocketHandle(handle.Number, ownsHandle: true);
        handle.SetHandleAsInvalid();
        return new Socket(descriptor);
    }
}
