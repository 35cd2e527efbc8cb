using System.Net.Sockets;

namespace Switchboard.Bench.Peers;

/// <summary>What one writes by hand in .NET: blocking calls of <see cref="Socket"/>, and a new thread for each caller.</summary>
internal static class BlockingThreadsServer
{
    private const int BufferSize = 16 * 1024;

    internal static Task<int> StartAsync()
    {
        Socket listener = ServerVerb.Listen();
        new Thread(() =>
        {
            while (true)
            {
                Socket caller = listener.Accept();
                new Thread(() => Serve(caller)) { IsBackground = true }.Start();
            }
        })
        { IsBackground = true }.Start();
        return Task.FromResult(ServerVerb.PortOf(listener));
    }

    private static void Serve(Socket caller)
    {
        using (caller)
        {
            caller.NoDelay = true;
            byte[] buffer = new byte[BufferSize];
            try
            {
                int count;
                while ((count = caller.Receive(buffer)) > 0)
                {
                    caller.Send(buffer.AsSpan(0, count));
                }
            }
            catch (SocketException)
            {
                // The caller went away without a goodbye, which is no fault of an echo server.
            }
        }
    }
}
