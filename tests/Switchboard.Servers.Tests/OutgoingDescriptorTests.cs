using System.Net;
using System.Net.Sockets;

namespace Switchboard.Servers.Tests;

/// <summary>No descriptor is left of connections that were opened, refused, given up or raced, nor of a group.</summary>
[Collection(nameof(Alone))]
public sealed class OutgoingDescriptorTests
{
    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Nothing_is_left_open(Model model)
    {
        // What the runtime opens once is open then.
        await UseAsync(model);
        int before = Descriptors.OfKernel().Length;
        await UseAsync(model);
        await Deadline.UntilAsync(() => Descriptors.OfKernel().Length <= before, "all descriptors are closed");
    }

    private static async Task UseAsync(Model model)
    {
        await using var target = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync);
        await target.StartAsync().InTime();
        int port = ((IPEndPoint)target.LocalEndPoint!).Port;
        using var nobody = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Unspecified);
        nobody.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Concurrency concurrency = model.Make();
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = new TcpServer("127.0.0.1:0", async (_, stop) =>
        {
            for (int i = 0; i < 20; i++)
            {
                await using Connection one = await Connection.ConnectAsync(target.LocalEndPoint!, cancellation: stop);
                await one.WriteAsync("x\n"u8.ToArray(), stop);
                await one.ReadMessageAsync(Framing.Line, stop);
                await using Connection named = await Connection.ConnectAsync(new DnsEndPoint("localhost", port), cancellation: stop);
                await Assert.ThrowsAsync<ConnectFailedException>(() => Connection.ConnectAsync(nobody.LocalEndPoint!, cancellation: stop));
                Connection aborted = await Connection.ConnectAsync(target.LocalEndPoint!, cancellation: stop);
                aborted.Abort();
                await aborted.DisposeAsync();
                await aborted.DisposeAsync();
                Assert.Equal(ConnectionEndReason.Aborted, (await aborted.Closed).Reason);
            }
            done.SetResult();
        }, concurrency);
        await using var group = new ServerGroup(first, new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, concurrency));
        await group.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(first);
        await done.Task.InTime();
    }
}
