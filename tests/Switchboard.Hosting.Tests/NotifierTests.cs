using System.Net.Sockets;
using System.Text;
using Switchboard.Servers;
using Switchboard.Servers.Tests;

namespace Switchboard.Hosting.Tests;

/// <summary>What a service manager is told of a host; the manager is a datagram socket of the test's.</summary>
public sealed class NotifierTests
{
    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_manager_hears_that_the_host_is_ready_alive_while_its_loops_respond_and_stopping()
    {
        using var folder = new TemporaryFolder();
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(folder.File("notify")));
        using var entered = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        await using var host = new TestHost(servers => servers
            .AddStream("blocking", (_, _) =>
            {
                entered.Set();
                release.Wait(Deadline.Time);
                return Task.CompletedTask;
            }, endpoint => (endpoint.Address, endpoint.Concurrency) = ("127.0.0.1:0", Concurrency.EventLoop()))
            .Configure(options => options.Notifier = () => SystemdNotifier.Read(name => name switch
            {
                "NOTIFY_SOCKET" => folder.File("notify"),
                "WATCHDOG_USEC" => "100000",
                _ => null,
            }, 7)));
        await host.StartAsync();
        Assert.Equal("READY=1", await HearAsync(manager));
        Assert.Equal("WATCHDOG=1", await HearAsync(manager));
        Assert.Equal("WATCHDOG=1", await HearAsync(manager));

        using Caller caller = await Caller.ConnectAsync(host["blocking"]);
        await Deadline.UntilAsync(() => entered.IsSet, "the loop is held up");
        // Asked from now on, it does not respond: what is heard still was asked before.
        LogRecord starved = await host.Log.WaitAsync(record => record.Id == 203);
        Assert.StartsWith("Endpoint blocking did not respond within 00:00:00.05", starved.Text, StringComparison.Ordinal);
        while (manager.Available > 0)
        {
            Assert.Equal("WATCHDOG=1", await HearAsync(manager));
        }
        Task<string> next = HearAsync(manager);
        await host.Log.WaitAsync(_ => host.Log.Records.Count(record => record.Id == 203) >= 2);
        Assert.False(next.IsCompleted);
        release.Set();
        Assert.Equal("WATCHDOG=1", await next);

        await host.StopAsync();
        string heard;
        while ((heard = await HearAsync(manager)) == "WATCHDOG=1")
        {
        }
        Assert.Equal("STOPPING=1", heard);
    }

    private static async Task<string> HearAsync(Socket manager)
    {
        var message = new byte[256];
        return Encoding.UTF8.GetString(message, 0, await manager.ReceiveAsync(message.AsMemory()).InTime());
    }
}
