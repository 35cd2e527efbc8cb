using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Switchboard.EndToEnd.Tests;

/// <summary>A client's socket of the base library.</summary>
internal sealed class Caller : IDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    private readonly Socket _socket;

    private Caller(Socket socket) => _socket = socket;

    internal Socket Socket => _socket;

    internal static async Task<Caller> ConnectAsync(EndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            using CancellationTokenSource time = Time();
            await socket.ConnectAsync(address, time.Token);
            return new Caller(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    internal Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    internal async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        using CancellationTokenSource time = Time();
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await _socket.SendAsync(bytes, time.Token)..];
        }
    }

    /// <summary>Receives exactly as many bytes.</summary>
    internal async Task<byte[]> ReceiveAsync(int count)
    {
        using CancellationTokenSource time = Time();
        var bytes = new byte[count];
        int received = 0;
        while (received < count)
        {
            int now = await _socket.ReceiveAsync(bytes.AsMemory(received), time.Token);
            Assert.True(now > 0, $"The connection ended after {received} of {count} bytes: {Encoding.UTF8.GetString(bytes, 0, received)}");
            received += now;
        }
        return bytes;
    }

    /// <summary>Receives exactly this text, in UTF-8.</summary>
    internal async Task ExpectAsync(string text) =>
        Assert.Equal(text, Encoding.UTF8.GetString(await ReceiveAsync(Encoding.UTF8.GetByteCount(text))));

    /// <summary>Receives until the peer ends its direction.</summary>
    internal async Task<byte[]> ReceiveToEndAsync()
    {
        using CancellationTokenSource time = Time();
        var bytes = new MemoryStream();
        var buffer = new byte[64 * 1024];
        int count;
        while ((count = await _socket.ReceiveAsync(buffer, time.Token)) > 0)
        {
            bytes.Write(buffer, 0, count);
        }
        return bytes.ToArray();
    }

    internal void EndOutput() => _socket.Shutdown(SocketShutdown.Send);

    public void Dispose() => _socket.Dispose();

    private static CancellationTokenSource Time()
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        source.CancelAfter(_patience);
        return source;
    }
}
