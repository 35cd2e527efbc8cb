namespace Switchboard.Servers.TestChild;

/// <summary>Sends each line back.</summary>
internal static class LineEcho
{
    internal static async Task ServeAsync(Connection connection, CancellationToken stop)
    {
        await foreach (ReadOnlyMemory<byte> line in connection.ReadMessagesAsync(Framing.Line, stop))
        {
            await connection.WriteAsync((byte[])[.. line.Span, (byte)'\n'], stop);
        }
    }

    internal static Concurrency Model(string name) => name switch
    {
        "Sequential" => Concurrency.Sequential(),
        "Threads" => Concurrency.Threads(),
        "OneLoop" => Concurrency.EventLoop(),
        "ThreeLoops" => Concurrency.EventLoop(3),
        "Tasks" => Concurrency.Tasks(),
        _ => throw new ArgumentException($"There is no model {name}.", nameof(name)),
    };
}
