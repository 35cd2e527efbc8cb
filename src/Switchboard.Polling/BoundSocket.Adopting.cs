using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Polling;

// Sockets that another program has made and passed on.
public static partial class BoundSocket
{
    /// <summary>Makes a descriptor of this process's own for a socket that another program has bound and passed on: a service
    /// manager, or whoever started this one. It is non-blocking, which all who share the socket see, and close-on-exec, as the
    /// descriptor that was passed is from now on. That one stays open.</summary>
    /// <param name="descriptor">The descriptor that was passed.</param>
    /// <param name="type">What it must be: stream or datagram.</param>
    /// <param name="options">Only what accepted connections inherit is set, and only on TCP: the rest was the other
    /// program's to decide.</param>
    /// <returns>The socket; the caller disposes it.</returns>
    /// <exception cref="BadDescriptorException">It is not open.</exception>
    /// <exception cref="SystemCallException">It is not a socket, or not one of this type, or a connection.</exception>
    public static DescriptorHandle Adopt(int descriptor, SocketType type, ListenerOptions options)
    {
        LinuxPlatform.Require();
        ArgumentNullException.ThrowIfNull(options);
        SocketKind kind = SocketCalls.Kind(descriptor);
        if (kind.Type != type)
        {
            throw new SystemCallException("getsockopt", Errno.InvalidArgument,
                $"Descriptor {descriptor} is {Describe(kind)}, and {(type == SocketType.Stream ? "a listener of streams" : "a socket of datagrams")} is needed. Pass another socket, or choose the server for this one.");
        }
        if (type == SocketType.Stream && kind.IsConnected)
        {
            throw new SystemCallException("getsockopt", Errno.InvalidArgument,
                $"Descriptor {descriptor} is a connection, not a listener. Pass the listener itself (in a systemd socket unit: Accept=no).");
        }
        DescriptorCalls.SetCloseOnExec(descriptor);
        DescriptorHandle own = DescriptorCalls.Duplicate(descriptor);
        try
        {
            // A loop that finds no caller must not wait for one.
            DescriptorCalls.SetNonBlocking(own.Number, true);
            if (kind.Family != AddressFamily.Unix)
            {
                SetForCallers(own.Number, type, options);
            }
            return own;
        }
        catch
        {
            own.Dispose();
            throw;
        }
    }

    private static string Describe(SocketKind kind)
    {
        string family = kind.Family switch
        {
            AddressFamily.Unix => "Unix",
            AddressFamily.InterNetwork => "IPv4",
            AddressFamily.InterNetworkV6 => "IPv6",
            _ => "foreign",
        };
        string type = kind.Type switch
        {
            SocketType.Stream => "stream",
            SocketType.Dgram => "datagram",
            SocketType.Seqpacket => "sequenced packet",
            _ => "raw or other",
        };
        return $"a socket of {type} type ({family})";
    }
}
