namespace Switchboard.Servers.Tests;

/// <summary>A server that sends each line back, and its callers.</summary>
internal static class LineEcho
{
    private static readonly byte[] _newLine = "\n"u8.ToArray();

    internal static async Task ServeAsync(Connection connection, CancellationToken stop)
    {
        await foreach (ReadOnlyMemory<byte> line in connection.ReadMessagesAsync(Framing.Line, stop))
        {
            await connection.WriteAsync(line, stop);
            await connection.WriteAsync(_newLine, stop);
        }
    }

    internal static async Task SayAsync(this Caller caller, string line)
    {
        await caller.SendAsync(line + "\n");
        await caller.ExpectAsync(line + "\n");
    }

    /// <summary>Many callers who come at the same time, but not more at once than a backlog holds.</summary>
    internal static async Task<Caller[]> ConnectAllAsync(SocketServer server, int count)
    {
        using var door = new SemaphoreSlim(64);
        return await Task.WhenAll(Enumerable.Range(0, count).Select(async _ =>
        {
            await door.WaitAsync();
            try
            {
                return await Caller.ConnectAsync(server);
            }
            finally
            {
                door.Release();
            }
        }));
    }

    internal static void DisposeAll(IEnumerable<Caller> callers)
    {
        foreach (Caller caller in callers)
        {
            caller.Dispose();
        }
    }
}
