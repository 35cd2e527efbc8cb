using Switchboard.Servers.Classic;

namespace Switchboard.Servers.Tests;

/// <summary>Sends one line back.</summary>
internal sealed class LineEchoHandler : StreamRequestHandler
{
    protected override async Task HandleAsync(CancellationToken stop) => await WriteAsync(await ReadLineAsync(stop), stop);
}

/// <summary>Sends a datagram back.</summary>
internal sealed class DatagramEchoHandler : DatagramRequestHandler
{
    protected override async Task HandleAsync(CancellationToken stop) => await ReplyAsync(Datagram.Data, stop);
}
