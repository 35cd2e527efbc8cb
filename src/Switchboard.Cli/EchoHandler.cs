using System.Buffers;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Sends back what it reads, byte for byte, until the caller ends its direction.</summary>
internal sealed class EchoHandler : RequestHandler
{
    // A caller who sends little holds little; one who fills a buffer gets the large one.
    private const int Small = 4 * 1024;
    private const int Large = 64 * 1024;

    protected override async Task HandleAsync(CancellationToken stop)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Small);
        try
        {
            int count;
            while ((count = await Connection.ReadAsync(buffer, stop)) > 0)
            {
                // Without the token: what was read before a stop still goes back whole.
                await Connection.WriteAsync(buffer.AsMemory(0, count), CancellationToken.None);
                if (count == buffer.Length && count < Large)
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = ArrayPool<byte>.Shared.Rent(Large);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
