using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Switchboard.Polling;

/// <content>Registering sockets and handles instead of numbers.</content>
public abstract partial class Selector
{
    /// <summary>Starts watching what a handle holds, as <see cref="Register(int, Interest, object?, Trigger)"/> does.
    /// The registration keeps the handle from being finalized, not from being disposed: unregister first.</summary>
    /// <param name="handle">A handle whose value is a descriptor.</param>
    /// <param name="interest">What to watch it for.</param>
    /// <param name="data">Anything that the owner wants to find again.</param>
    /// <param name="trigger">When to report it.</param>
    /// <returns>The registration.</returns>
    /// <exception cref="ObjectDisposedException">The handle or the selector is disposed.</exception>
    public SelectorKey Register(SafeHandle handle, Interest interest, object? data = null, Trigger trigger = Trigger.Level)
    {
        ArgumentNullException.ThrowIfNull(handle);
        bool held = false;
        try
        {
            handle.DangerousAddRef(ref held);
            return Register((int)handle.DangerousGetHandle(), interest, data, trigger, handle);
        }
        finally
        {
            if (held)
            {
                handle.DangerousRelease();
            }
        }
    }

    /// <summary>Starts watching a socket, as <see cref="Register(SafeHandle, Interest, object?, Trigger)"/> does.</summary>
    /// <param name="socket">An open socket.</param>
    /// <param name="interest">What to watch it for.</param>
    /// <param name="data">Anything that the owner wants to find again.</param>
    /// <param name="trigger">When to report it.</param>
    /// <returns>The registration.</returns>
    /// <exception cref="ObjectDisposedException">The socket or the selector is disposed.</exception>
    public SelectorKey Register(Socket socket, Interest interest, object? data = null, Trigger trigger = Trigger.Level)
    {
        ArgumentNullException.ThrowIfNull(socket);
        return Register(socket.SafeHandle, interest, data, trigger);
    }

    /// <summary>Ends the registration of a handle, which may have been disposed meanwhile.</summary>
    /// <param name="handle">The handle that was registered.</param>
    /// <returns>The registration that ended.</returns>
    /// <exception cref="KeyNotFoundException">It is not registered, or only by its number.</exception>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public SelectorKey Unregister(SafeHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        int descriptor = (int)handle.DangerousGetHandle();
        SelectorKey key = GetKey(descriptor);
        if (key.Handle != handle)
        {
            throw NotRegistered(descriptor);
        }
        Unregister(key);
        return key;
    }

    /// <summary>Ends the registration of a socket, which may have been disposed meanwhile.</summary>
    /// <param name="socket">The socket that was registered.</param>
    /// <returns>The registration that ended.</returns>
    /// <exception cref="KeyNotFoundException">It is not registered, or only by its number.</exception>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public SelectorKey Unregister(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        return Unregister(socket.SafeHandle);
    }
}
