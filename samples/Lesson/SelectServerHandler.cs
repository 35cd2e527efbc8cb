using Switchboard.Servers;

namespace Lesson;

/// <summary>Row 3 once more: what the select server does, as a handler. The event loop has the list of sockets, and the
/// handler is about one client only; it would run under any other model too.</summary>
internal sealed class SelectServerHandler : RequestHandler
{
    private static readonly Stream _output = Console.OpenStandardOutput();

    public static int Run(string[] args)
    {
        TcpServer<SelectServerHandler> server = new(Port.Of(args), Concurrency.EventLoop());
        server.Activate();
        Console.WriteLine($"listening on {server.LocalEndPoint}");
        server.ServeForeverAsync().GetAwaiter().GetResult();
        return 0;
    }

    protected override async Task HandleAsync(CancellationToken stop)
    {
        _output.Write("accept\n"u8);
        await foreach (ReadOnlyMemory<byte> data in Connection.ReadMessagesAsync(Framing.Packet, stop))
        {
            _output.Write([.. "received data: "u8, .. data.Span, (byte)'\n']);
        }
    }
}
