using System.Net.Sockets;

namespace Switchboard.Bench.Peers;

/// <summary>.NET's own asynchronous sockets: a loop of <see cref="Socket.ReceiveAsync(Memory{byte}, CancellationToken)"/>
/// for each caller, on the thread pool.</summary>
internal static class AsyncSocketsServer
{
    private const int BufferSize = 16 * 1024;

    internal static Task<int> StartAsync()
    {
        Socket listener = ServerVerb.Listen();
        _ = AcceptAsync(listener);
        return Task.FromResult(ServerVerb.PortOf(listener));
    }

    private static async Task AcceptAsync(Socket listener)
    {
        while (true)
        {
            _ = ServeAsync(await listener.AcceptAsync());
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
