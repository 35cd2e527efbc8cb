using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Sends each datagram back to its sender.</summary>
internal sealed class DatagramEchoHandler : DatagramRequestHandler
{
    protected override async Task HandleAsync(CancellationToken stop) => await Datagram.ReplyAsync(Datagram.Data, stop);
}
