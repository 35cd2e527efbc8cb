using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Switchboard.Servers.Tests;

/// <summary>The other side of a datagram server: a plain socket of the base library, with an address of its own.</summary>
internal sealed class DatagramCaller : IDisposable
{
    private readonly Socket _socket;
    private readonly EndPoint _server;

    internal DatagramCaller(SocketServer server, string? path = null, string from = "127.0.0.1")
    {
        _server = server.LocalEndPoint!;
        _socket = new Socket(_server.AddressFamily, SocketType.Dgram, ProtocolType.Unspecified);
        _socket.Bind(path is null ? new IPEndPoint(IPAddress.Parse(from), 0) : new UnixDomainSocketEndPoint(path));
    }

    internal EndPoint LocalEndPoint => _socket.LocalEndPoint!;

    internal async Task SendAsync(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Assert.Equal(bytes.Length, await _socket.SendToAsync(bytes, SocketFlags.None, _server).InTime());
    }

    internal async Task<string> ReceiveAsync()
    {
        var bytes = new byte[65_536];
        return Encoding.UTF8.GetString(bytes.AsSpan(0, await _socket.ReceiveAsync(bytes.AsMemory()).InTime()));
    }

    public void Dispose() => _socket.Dispose();
}
