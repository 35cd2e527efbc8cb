using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>Makes sockets with an address, and keeps the files of Unix sockets in order.</summary>
public static partial class BoundSocket
{
    /// <summary>Makes a non-blocking socket and binds it. The file of a Unix socket that nobody has open is removed
    /// first; that of a live socket, of whatever type, never is.</summary>
    /// <param name="address">IPv4, IPv6 or Unix.</param>
    /// <param name="type">Stream or datagram.</param>
    /// <param name="options">How.</param>
    /// <returns>The socket; the caller disposes it.</returns>
    /// <exception cref="AddressInUseException">Somebody answers on the address.</exception>
    /// <exception cref="SystemCallException">The kernel refused.</exception>
    public static DescriptorHandle Create(EndPoint address, SocketType type, ListenerOptions options)
    {
        LinuxPlatform.Require();
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(options);
        DescriptorHandle handle = SocketCalls.Create(address.AddressFamily, type, nonBlocking: true);
        try
        {
            int descriptor = handle.Number;
            if (address.AddressFamily == AddressFamily.Unix)
            {
                RemoveStaleFile(address);
            }
            else
            {
                Set(descriptor, SocketCallOption.ReuseAddress, options.ReuseAddress);
                Set(descriptor, SocketCallOption.ReusePort, options.ReusePort);
                if (address.AddressFamily == AddressFamily.InterNetworkV6)
                {
                    Set(descriptor, SocketCallOption.IPv6Only, !options.DualMode);
                }
                SetForCallers(descriptor, type, options);
            }
            if (FileOf(address) is { } path)
            {
                BindFile(descriptor, address, path, options);
            }
            else
            {
                SocketCalls.Bind(descriptor, address);
            }
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>The path of a Unix socket's file; null for other addresses and for abstract ones.</summary>
    /// <param name="address">Any address.</param>
    /// <returns>The path or null.</returns>
    public static string? FileOf(EndPoint? address) =>
        address is UnixDomainSocketEndPoint unix && unix.ToString() is [not '@' and not '\0', ..] path ? path : null;

    private static void BindFile(int descriptor, EndPoint address, string path, ListenerOptions options)
    {
        uint? user = options.UnixUser is { } userName ? AccountNames.UserId(userName) : null;
        uint? group = options.UnixGroup is { } groupName ? AccountNames.GroupId(groupName) : null;
        if (options.UnixMode is { } first && !OperatingSystem.IsWindows())
        {
            // The file gets the mode of the socket, less the umask; what that took away is given back then.
            using var socket = new SafeFileHandle(descriptor, ownsHandle: false);
            File.SetUnixFileMode(socket, first);
        }
        SocketCalls.Bind(descriptor, address);
        try
        {
            if (options.UnixMode is { } mode && !OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, mode);
            }
            if (user is not null || group is not null)
            {
                FileCalls.SetOwner(path, user, group).OrThrow("chown", $"{path} (UnixUser {options.UnixUser ?? "not set"}, UnixGroup {options.UnixGroup ?? "not set"})");
            }
        }
        catch
        {
            File.Delete(path);
            throw;
        }
    }

    private static void SetForCallers(int descriptor, SocketType type, ListenerOptions options)
    {
        if (type == SocketType.Stream)
        {
            Set(descriptor, SocketCallOption.NoDelay, options.NoDelay);
            options.Probing.Set(descriptor);
        }
    }

    private static void RemoveStaleFile(EndPoint address)
    {
        if (FileOf(address) is not { } path || !File.Exists(path))
        {
            return;
        }
        // A datagram socket asks without calling: a stream socket would be taken for a caller by a live listener, and be
        // refused by one that is bound but does not listen yet. To it, live sockets of other types answer EPROTOTYPE.
        using DescriptorHandle probe = SocketCalls.Create(AddressFamily.Unix, SocketType.Dgram, nonBlocking: true);
        // A refusal by a socket's file says that nobody has it open. Anything else (a regular file, which refuses too, no
        // permission) leaves it alone, and bind says what is wrong.
        if (SocketCalls.Connect(probe.Number, address).Errno == Errno.ConnectionRefused && FileCalls.Identify(path) is { IsSocket: true })
        {
            File.Delete(path);
        }
    }

    private static void Set(int descriptor, SocketCallOption option, int value) =>
        SocketCalls.SetOption(descriptor, option, value).OrThrow("setsockopt", option.ToString());

    private static void Set(int descriptor, SocketCallOption option, bool on)
    {
        if (on || option == SocketCallOption.IPv6Only)
        {
            Set(descriptor, option, on ? 1 : 0);
        }
    }
}
