using Switchboard.Servers;

namespace Switchboard.Samples;

/// <summary>A gateway: what a caller sends goes on to another server, and what that answers comes back. Each direction ends by
/// itself, and no side is read faster than the other one takes.</summary>
internal sealed class GatewayHandler(ServerAddress target, ClientOptions? options = null) : RequestHandler
{
    protected override async Task HandleAsync(CancellationToken stop)
    {
        await using Connection onward = await Connection.ConnectAsync(target, options, stop);
        await Connection.RelayAsync(onward, stop);
    }
}
