using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Switchboard.Servers.Tests;

/// <summary>The other side: a plain socket of the base library, over which it may speak TLS.</summary>
internal sealed class Caller : IDisposable
{
    private SslStream? _secure;

    private Caller(Socket socket)
    {
        Socket = socket;
        LocalAddress = $"{socket.LocalEndPoint}";
    }

    internal Socket Socket { get; }

    /// <summary>As the server's log writes it.</summary>
    internal string LocalAddress { get; }

    /// <summary>What it reads and writes.</summary>
    internal Stream Stream => (Stream?)_secure ?? new NetworkStream(Socket);

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

    /// <summary>Speaks TLS from now on, if there is an authority.</summary>
    internal async Task SecureAsync(Certificates? authority)
    {
        if (authority is not null)
        {
            _secure = new SslStream(new NetworkStream(Socket));
            await _secure.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", CertificateChainPolicy = TlsTrust.ToPolicy(authority.Trusted) }).InTime();
        }
    }

    internal Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    internal async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        using var time = new CancellationTokenSource(Deadline.Time);
        if (_secure is not null)
        {
            await _secure.WriteAsync(bytes, time.Token);
            return;
        }
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
                read = await ReceiveAsync(bytes.AsMemory(filled), time.Token);
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

    private ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation) =>
        _secure?.ReadAsync(buffer, cancellation) ?? Socket.ReceiveAsync(buffer, cancellation);

    /// <summary>Reads to the end, or so much. Over TLS the end may come in the middle of a record.</summary>
    internal async Task<byte[]> ReadToEndAsync(int most = int.MaxValue, bool mayBeTorn = false)
    {
        using var time = new CancellationTokenSource(Deadline.Time);
        using var all = new MemoryStream();
        var piece = new byte[64 * 1024];
        int read;
        try
        {
            while (all.Length < most && (read = await ReceiveAsync(piece.AsMemory(0, (int)Math.Min(piece.Length, most - all.Length)), time.Token)) > 0)
            {
                all.Write(piece, 0, read);
            }
        }
        catch (IOException) when (mayBeTorn)
        {
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

    internal void CloseOutput()
    {
        _secure?.ShutdownAsync().GetAwaiter().GetResult();
        Socket.Shutdown(SocketShutdown.Send);
    }

    /// <summary>Closes by a reset instead of an orderly end.</summary>
    internal void Reset()
    {
        Socket.LingerState = new LingerOption(true, 0);
        Socket.Close();
    }

    public void Dispose()
    {
        _secure?.Dispose();
        Socket.Dispose();
    }
}
