using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Servers;

/// <summary>The errors of the base library's sockets by the names that the rest of this library knows.</summary>
internal static class BaseSocketErrors
{
    /// <summary>The exception that a system call with this error would have given.</summary>
    internal static SystemCallException ToSystemCall(this SocketError error, string call, string? subject = null)
    {
        Errno errno = NumberOf(error);
        return errno is Errno.AddressInUse or Errno.ProcessDescriptorLimit
            ? SystemCallException.For(call, errno, subject)
            : new SystemCallException(call, errno, $"{call}{(subject is null ? "" : $" on {subject}")} failed: {new SocketException((int)error).Message} ({error}).");
    }

    /// <summary>The error that an operation of a socket has thrown.</summary>
    internal static SocketError Of(Exception exception) => exception is SocketException socket ? socket.SocketErrorCode : SocketError.OperationAborted;

    private static Errno NumberOf(SocketError error) => error switch
    {
        SocketError.AccessDenied => Errno.AccessDenied,
        SocketError.AddressAlreadyInUse => Errno.AddressInUse,
        SocketError.AddressFamilyNotSupported => Errno.AddressFamilyNotSupported,
        SocketError.AddressNotAvailable => Errno.AddressNotAvailable,
        SocketError.ConnectionAborted => Errno.ConnectionAborted,
        SocketError.ConnectionRefused => Errno.ConnectionRefused,
        SocketError.ConnectionReset => Errno.ConnectionReset,
        SocketError.HostDown => Errno.HostDown,
        SocketError.HostUnreachable => Errno.HostUnreachable,
        SocketError.Interrupted => Errno.Interrupted,
        SocketError.NetworkDown => Errno.NetworkDown,
        SocketError.NetworkUnreachable => Errno.NetworkUnreachable,
        SocketError.NoBufferSpaceAvailable => Errno.NoBuffers,
        SocketError.NotConnected => Errno.NotConnected,
        SocketError.OperationAborted => Errno.BadDescriptor,
        SocketError.Shutdown => Errno.BrokenPipe,
        SocketError.TimedOut => Errno.TimedOut,
        SocketError.TooManyOpenSockets => Errno.ProcessDescriptorLimit,
        SocketError.TryAgain or SocketError.WouldBlock => Errno.Again,
        _ => Errno.NotSocket,
    };
}
