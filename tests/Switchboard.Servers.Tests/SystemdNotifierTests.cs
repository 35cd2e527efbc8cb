using System.Net.Sockets;
using System.Text;
using Switchboard.Linux;

namespace Switchboard.Servers.Tests;

/// <summary>What a service manager is told; the manager is a datagram socket of the test's.</summary>
public sealed class SystemdNotifierTests
{
    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_manager_hears_what_the_service_says(bool isAbstract)
    {
        using var folder = new TemporaryFolder();
        string name = isAbstract ? $"@switchboard-{Guid.NewGuid():N}" : folder.File("notify");
        using Socket manager = Listen(name);
        using SystemdNotifier notifier = Make(name)!;

        Assert.True(notifier.Ready());
        Assert.Equal("READY=1", await HearAsync(manager));
        Assert.True(notifier.Status("two\nlines"));
        Assert.Equal("STATUS=two lines", await HearAsync(manager));
        TimeSpan before = ProcessCalls.MonotonicTime();
        Assert.True(notifier.Reloading());
        string[] reloading = (await HearAsync(manager)).Split('\n');
        Assert.Equal("RELOADING=1", reloading[0]);
        Assert.StartsWith("MONOTONIC_USEC=", reloading[1], StringComparison.Ordinal);
        Assert.InRange(TimeSpan.FromMicroseconds(long.Parse(reloading[1][15..], null)), before - TimeSpan.FromMilliseconds(1), ProcessCalls.MonotonicTime());
        Assert.True(notifier.Stopping());
        Assert.Equal("STOPPING=1", await HearAsync(manager));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_watchdog_hears_of_a_service_only_while_it_is_responsive()
    {
        using var folder = new TemporaryFolder();
        using Socket manager = Listen(folder.File("notify"));
        using SystemdNotifier notifier = Make(folder.File("notify"), "20000", $"{7}")!;
        Assert.Equal(TimeSpan.FromMilliseconds(20), notifier.Watchdog);
        using var stop = new CancellationTokenSource();
        int asked = 0;
        var askedWhileHung = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task running = notifier.KeepAliveAsync(half =>
        {
            Assert.Equal(TimeSpan.FromMilliseconds(10), half);
            if (++asked == 4)
            {
                askedWhileHung.SetResult();
            }
            return Task.FromResult(asked < 3);
        }, stop.Token);
        Assert.Equal("WATCHDOG=1", await HearAsync(manager));
        Assert.Equal("WATCHDOG=1", await HearAsync(manager));
        await askedWhileHung.Task.InTime();
        Assert.Equal(0, manager.Available);
        await stop.CancelAsync();
        await running.InTime();
    }

    [Fact]
    public void Nothing_is_told_where_nobody_listens()
    {
        Assert.Null(Make(null));
        using var folder = new TemporaryFolder();
        using SystemdNotifier notifier = Make(folder.File("nobody"))!;
        Assert.False(notifier.Ready());
        Assert.Null(notifier.Watchdog);
    }

    [Fact]
    public void Variables_that_cannot_be_read_are_named()
    {
        Assert.Contains("NOTIFY_SOCKET is 'vsock:2:1'", Assert.Throws<FormatException>(() => Make("vsock:2:1")).Message, StringComparison.Ordinal);
        Assert.Contains("WATCHDOG_USEC is 'soon'", Assert.Throws<FormatException>(() => Make("/run/notify", "soon")).Message, StringComparison.Ordinal);
        using SystemdNotifier another = Make("/run/notify", "20000", "8")!;
        Assert.Null(another.Watchdog);
    }

    private static SystemdNotifier? Make(string? path, string? watchdog = null, string? process = null) =>
        SystemdNotifier.Read(name => name switch { "NOTIFY_SOCKET" => path, "WATCHDOG_USEC" => watchdog, "WATCHDOG_PID" => process, _ => null }, 7);

    private static Socket Listen(string name)
    {
        var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(name[0] == '@' ? '\0' + name[1..] : name));
        return manager;
    }

    private static async Task<string> HearAsync(Socket manager)
    {
        var message = new byte[256];
        return Encoding.UTF8.GetString(message, 0, await manager.ReceiveAsync(message.AsMemory()).InTime());
    }
}
