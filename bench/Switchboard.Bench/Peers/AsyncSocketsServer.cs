using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace Switchboard.Bench.Peers;

/// <summary>.NET's own asynchronous sockets: a loop of <see cref="Socket.ReceiveAsync(Memory{byte}, CancellationToken)"/>
/// for each caller, on the thread pool.</summary>
internal static class AsyncSocketsServer
{
    private const int BufferSize = 16 * 1024;

    internal static Task<int> StartAsync() => StartAsync(ServeAsync);

    /// <summary>The same with an <see cref="SslStream"/> over each socket.</summary>
    internal static Task<int> StartTlsAsync()
    {
        SslServerAuthenticationOptions options = new()
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(TlsServers.MakeCertificate(), additionalCertificates: null, offline: true),
            EnabledSslProtocols = SslProtocols.Tls13,
        };
        return StartAsync(caller => ServeAsync(caller, options));
    }

    private static Task<int> StartAsync(Func<Socket, Task> serve)
    {
        Socket listener = ServerVerb.Listen();
        _ = AcceptAsync(listener, serve);
        return Task.FromResult(ServerVerb.PortOf(listener));
    }

    private static async Task AcceptAsync(Socket listener, Func<Socket, Task> serve)
    {
        while (true)
        {
            _ = serve(await listener.AcceptAsync());
        }
    }

    private static async Task ServeAsync(Socket caller, SslServerAuthenticationOptions options)
    {
        caller.NoDelay = true;
        await using SslStream stream = new(new NetworkStream(caller, ownsSocket: true));
        byte[] buffer = new byte[BufferSize];
        try
        {
            await stream.AuthenticateAsServerAsync(options);
            int count;
            while ((count = await stream.ReadAsync(buffer)) > 0)
            {
                await stream.WriteAsync(buffer.AsMemory(0, count));
            }
        }
        catch (IOException)
        {
            // The caller went away without a goodbye, which is no fault of an echo server.
        }
    }

    private static async Task ServeAsync(Socket caller)
    {
        using (caller)
        {
            caller.NoDelay = true;
            byte[] buffer = new byte[BufferSize];
            try
            {
                int count;
                while ((count = await caller.ReceiveAsync(buffer)) > 0)
                {
                    await caller.SendAsync(buffer.AsMemory(0, count));
                }
            }
            catch (SocketException)
            {
                // The caller went away without a goodbye, which is no fault of an echo server.
            }
        }
    }
}
