using Switchboard.Samples;
using Switchboard.Servers.Classic;

namespace Lesson;

/// <summary>Row 6. The 10086 hotline: a handler with one method, and a thread for each caller.</summary>
internal static class HotlineThreads
{
    public static int Run(string[] args)
    {
        ThreadingTcpServer<HotlineHandler> hotline = new(Port.Of(args));
        hotline.Activate();
        Console.WriteLine($"listening on {hotline.LocalEndPoint}");
        hotline.ServeForeverAsync().GetAwaiter().GetResult();
        return 0;
    }
}
