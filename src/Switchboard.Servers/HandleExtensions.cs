using System.Runtime.InteropServices;
using Switchboard.Linux;

namespace Switchboard.Servers;

/// <summary>Calls on descriptors that another thread may close meanwhile.</summary>
internal static class HandleExtensions
{
    /// <summary>Makes a call while the descriptor can't be closed, so that its number means nothing else.</summary>
    /// <returns>The call's answer; EBADF if it is closed already.</returns>
    internal static CallResult WhileOpen(this SafeHandle handle, Func<int, CallResult> call)
    {
        bool isHeld = false;
        try
        {
            handle.DangerousAddRef(ref isHeld);
            return call((int)handle.DangerousGetHandle());
        }
        catch (ObjectDisposedException)
        {
            return CallResult.Failure(Errno.BadDescriptor);
        }
        finally
        {
            if (isHeld)
            {
                handle.DangerousRelease();
            }
        }
    }
}
