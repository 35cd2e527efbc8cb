using System.Runtime.InteropServices;

namespace Switchboard.Linux;

public static partial class SocketCalls
{
    /// <summary>The address of the socket's peer, as <c>getpeername(2)</c>.</summary>
    /// <param name="descriptor">A connected socket.</param>
    /// <param name="peer">Where the address goes.</param>
    /// <returns>Success or the error; ENOTCONN if there is no peer, or none any more.</returns>
    public static unsafe CallResult PeerAddress(int descriptor, out NativeAddress peer)
    {
        NativeAddress address = default;
        int length = NativeAddress.Capacity;
        CallResult result = CallResult.Of(getpeername(descriptor, (byte*)&address, &length), Marshal.GetLastPInvokeError());
        address.Length = result.Succeeded ? Math.Min(length, NativeAddress.Capacity) : 0;
        peer = address;
        return result;
    }

    [LibraryImport(LibC.Name, SetLastError = true)]
    private static unsafe partial int getpeername(int descriptor, byte* address, int* length);
}
