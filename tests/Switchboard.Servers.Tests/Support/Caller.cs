using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Switchboard.Servers.Tests;

/// <summary>The other side: a plain socket of the base library.</summary>
internal sealed class Caller : IDisposable
{
    private Caller(Socket socket)
    {
        Socket = socket;
        LocalAddress = $"{socket.LocalEndPoint}";
    }

    internal Socket Socket { get; }

    /// <summary>As the server's log writes it.</summary>
    internal string LocalAddress { get; }

    internal static Task<Caller> ConnectAsync(SocketServer server, int? receiveBuffer = null) => ConnectAsync(server.LocalEndPoint!, receiveBuffer);

    internal static async Task<Caller> ConnectAsync(EndPoint address, int? receiveBuffer = null, EndPoint? from = null)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            if (receiveBuffer is { } size)
            {
                // Before connect, so that the window stays small.
                socket.ReceiveBufferSize = size;
            }
            if (from is not null)
            {
                socket.Bind(from);
            }
            await socket.ConnectAsync(address).InTime();
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
        using var time = new CancellationTokenSource(Deadline.Time);
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await Socket.SendAsync(bytes, time.Token)..];
        }
    }

    /// <summary>Reads exactly so much.</summary>
    internal async Task<byte[]> ReadAsync(int count)
    {
        var bytes = new byte[count];
        using var time = new CancellationTokenSource(Deadline.Time);
        for (int filled = 0; filled < count;)
        {
            int read;
            try
            {
                read = await Socket.ReceiveAsync(bytes.AsMemory(filled), time.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"Only {filled} of {count} bytes came in time: {Encoding.UTF8.GetString(bytes.AsSpan(0, Math.Min(filled, 200)))}");
            }
            Assert.True(read > 0, $"The server ended after {filled} of {count} bytes: {Encoding.UTF8.GetString(bytes.AsSpan(0, Math.Min(filled, 200)))}");
            filled += read;
        }
        return bytes;
    }

    internal async Task<string> ReadTextAsync(int count) => Encoding.UTF8.GetString(await ReadAsync(count));

    internal async Task ExpectAsync(string text) => Assert.Equal(text, await ReadTextAsync(Encoding.UTF8.GetByteCount(text)));

    /// <summary>Reads to the end, or so much.</summary>
    internal async Task<byte[]> ReadToEndAsync(int most = int.MaxValue)
    {
        using var time = new CancellationTokenSource(Deadline.Time);
        using var all = new MemoryStream();
        var piece = new byte[64 * 1024];
        int read;
        while (all.Length < most && (read = await Socket.ReceiveAsync(piece.AsMemory(0, (int)Math.Min(piece.Length, most - all.Length)), time.Token)) > 0)
        {
            all.Write(piece, 0, read);
        }
        return all.ToArray();
    }

    internal async Task<string> ReadTextToEndAsync(int most = int.MaxValue) => Encoding.UTF8.GetString(await ReadToEndAsync(most));

    /// <summary>Waits for the end, orderly or by reset.</summary>
    internal async Task WaitForEndAsync()
    {
        try
        {
            await ReadToEndAsync();
        }
        catch (SocketException)
        {
        }
    }

    internal void CloseOutput() => Socket.Shutdown(SocketShutdown.Send);

    /// <summary>Closes by a reset instead of an orderly end.</summary>
    internal void Reset()
    {
        Socket.LingerState = new LingerOption(true, 0);
        Socket.Close();
    }

    public void Dispose() => Socket.Dispose();
}
