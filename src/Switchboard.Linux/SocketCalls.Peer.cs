using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>Who is at the other end of a Unix stream socket, as the kernel noted it when the peer connected.</summary>
/// <param name="ProcessId">Its process; 0 if that is not seen from here (another namespace).</param>
/// <param name="UserId">Its effective user.</param>
/// <param name="GroupId">Its effective group.</param>
public readonly record struct PeerCredentials(int ProcessId, uint UserId, uint GroupId);

public static partial class SocketCalls
{
    private const int OptionPeerCredentials = 17;

    /// <summary>Who is at the other end of a Unix stream socket (SO_PEERCRED, <c>unix(7)</c>).</summary>
    /// <param name="descriptor">A connected socket.</param>
    /// <param name="credentials">Where they go.</param>
    /// <returns>Success or the error.</returns>
    public static unsafe CallResult PeerCredentials(int descriptor, out PeerCredentials credentials)
    {
        PeerCredentials found = default;
        int length = sizeof(PeerCredentials);
        CallResult result = CallResult.Of(getsockopt(descriptor, LevelSocket, OptionPeerCredentials, (int*)&found, &length));
        credentials = found;
        return result;
    }

    /// <summary>The address of the socket's peer, as <c>getpeername(2)</c>.</summary>
    /// <param name="descriptor">A connected socket.</param>
    /// <param name="peer">Where the address goes.</param>
    /// <returns>Success or the error; ENOTCONN if there is no peer, or none any more.</returns>
    public static unsafe CallResult PeerAddress(int descriptor, out NativeAddress peer)
    {
        NativeAddress address = default;
        int length = NativeAddress.Capacity;
        CallResult result = CallResult.Of(getpeername(descriptor, (byte*)&address, &length));
        address.Length = result.Succeeded ? Math.Min(length, NativeAddress.Capacity) : 0;
        peer = address;
        return result;
    }

    [LibraryImport(LibC.Name)]
    private static unsafe partial int getpeername(int descriptor, byte* address, int* length);
}
