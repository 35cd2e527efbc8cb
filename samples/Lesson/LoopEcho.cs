using System.Net;
using System.Runtime.InteropServices;
using Switchboard.Polling;

namespace Lesson;

/// <summary>An echo server without a server: one loop, one thread, and a method for each caller.</summary>
internal static class LoopEcho
{
    public static int Run(string[] args)
    {
        EventLoop.Run(loop => ServeAsync(loop, Port.Of(args)));
        return 0;
    }

    private static async Task ServeAsync(EventLoop loop, EndPoint address)
    {
        using CancellationTokenSource stop = new();
        using IDisposable interrupt = loop.OnSignal(PosixSignal.SIGINT, stop.Cancel);
        using IDisposable terminate = loop.OnSignal(PosixSignal.SIGTERM, stop.Cancel);
        using Listener listener = Listener.Bind(address, new ListenerOptions());
        listener.Listen(128);
        Console.WriteLine($"listening on {listener.LocalEndPoint}");
        var calls = new HashSet<Task>();
        try
        {
            while (true)
            {
                LoopSocket caller = await listener.AcceptAsync(loop, stop.Token);
                calls.RemoveWhere(call => call.IsCompleted);
                calls.Add(EchoAsync(caller));
            }
        }
        catch (OperationCanceledException)
        {
            Console.WriteLine($"{calls.Count(call => !call.IsCompleted)} are still here");
        }
    }

    private static async Task EchoAsync(LoopSocket caller)
    {
        using (caller)
        {
            byte[] buffer = new byte[4096];
            while (await caller.ReadAsync(buffer) is > 0 and var count)
            {
                await caller.WriteAsync(buffer.AsMemory(0, count));
            }
        }
    }
}
