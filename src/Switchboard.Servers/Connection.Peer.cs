using Switchboard.Linux;

namespace Switchboard.Servers;

public sealed partial class Connection
{
    /// <summary>Who is at the other end of a Unix socket, as the kernel noted it when the peer connected (SO_PEERCRED,
    /// <c>unix(7)</c>); null on other sockets, in memory, and once the connection has ended.</summary>
    public PeerCredentials? PeerCredentials
    {
        get
        {
            if (_transport is not StreamTransport stream || LocalEndPoint is not System.Net.Sockets.UnixDomainSocketEndPoint)
            {
                return null;
            }
            try
            {
                return SocketCalls.PeerCredentials(stream.Descriptor, out PeerCredentials found).Succeeded ? found : null;
            }
            catch (ObjectDisposedException)
            {
                return null;
            }
        }
    }
}
