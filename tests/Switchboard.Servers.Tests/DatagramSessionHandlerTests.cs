using System.Text;
using Microsoft.Extensions.DependencyInjection;
using static Switchboard.Servers.Tests.Sessions;

namespace Switchboard.Servers.Tests;

/// <summary>Each session is served by an object of its own, wherever it comes from.</summary>
public sealed class DatagramSessionHandlerTests
{
    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_factory_makes_one_for_each_session(Model model)
    {
        int made = 0;
        await using var server = new UdpSessionServer("127.0.0.1:0", (Func<DatagramSessionHandler>)(() => new Steps(new Counter { Value = 10 * Interlocked.Increment(ref made) })), model.Make());
        Assert.Equal(["setup 10", "11 x", "12 x", "finish"], await TalkAsync(server));
        Assert.Equal(["setup 20", "21 x", "22 x", "finish"], await TalkAsync(server));
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_type_gets_what_its_constructor_takes_from_the_services(Model model)
    {
        await using ServiceProvider services = new ServiceCollection().AddSingleton<Counter>().BuildServiceProvider();
        await using var server = new UdpSessionServer<Steps>("127.0.0.1:0", model.Make(), services: services);
        Assert.Equal(["setup 0", "1 x", "2 x", "finish"], await TalkAsync(server));
        Assert.Equal(["setup 2", "3 x", "4 x", "finish"], await TalkAsync(server));
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_handler_that_fails_finishes_and_the_next_session_is_served(Model model)
    {
        var log = new RecordingLog();
        await using var server = new UdpSessionServer("127.0.0.1:0", (Func<DatagramSessionHandler>)(() => new Steps(new Counter())), model.Make(), Options(log: log));
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        Assert.Equal("setup 0", await AskAsync(caller, "throw"));
        Assert.Equal("finish", await caller.ReceiveAsync());
        Assert.IsType<FormatException>((await log.WaitAsync(record => record.Id == 5)).Exception);
        Assert.Equal("setup 0", await AskAsync(caller, "y"));
        Assert.Equal("1 y", await caller.ReceiveAsync());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_factory_that_returns_nothing_or_the_same_again_is_told_what_to_do()
    {
        var log = new RecordingLog();
        await using var none = new UdpSessionServer("127.0.0.1:0", (Func<DatagramSessionHandler>)(() => null!), options: Options(log: log));
        var first = new Steps(new Counter());
        await using var same = new UdpSessionServer("127.0.0.1:0", (Func<DatagramSessionHandler>)(() => first), options: Options(log: log));
        await none.StartAsync().InTime();
        using var caller = new DatagramCaller(none);
        await caller.SendAsync("x");
        await log.WaitAsync(record => record.Exception?.Message.Contains("returned null", StringComparison.Ordinal) == true);
        await TalkAsync(same);
        using var again = new DatagramCaller(same);
        await again.SendAsync("x");
        await log.WaitAsync(record => record.Exception?.Message.Contains("A handler object serves one session", StringComparison.Ordinal) == true);
    }

    [Fact]
    public void What_can_t_be_made_is_refused_when_the_server_is_made()
    {
        Assert.Contains("services", Assert.Throws<ArgumentException>(() => new UdpSessionServer<Steps>("127.0.0.1:0")).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => new UdpSessionServer("127.0.0.1:0", (Func<DatagramSessionHandler>)null!));
        Assert.Throws<ArgumentNullException>(() => new UdpSessionServer("127.0.0.1:0", (Func<DatagramSession, CancellationToken, Task>)null!));
        Assert.Contains("not in the constructor", Assert.Throws<InvalidOperationException>(() => new Steps(new Counter()).Session).Message, StringComparison.Ordinal);
    }

    private static async Task<string[]> TalkAsync(UdpSessionServer server)
    {
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        return [await AskAsync(caller, "x"), await caller.ReceiveAsync(), await AskAsync(caller, "x"), await AskAsync(caller, "bye")];
    }

    private sealed class Counter
    {
        internal int Value { get; set; }
    }

    private sealed class Steps(Counter counter) : DatagramSessionHandler
    {
        protected override Task SetupAsync(CancellationToken stop) => SayAsync(Session, $"setup {counter.Value}").AsTask();

        protected override async Task HandleAsync(CancellationToken stop)
        {
            while (await Session.ReceiveAsync(stop) is { } datagram && Text(datagram) != "bye")
            {
                if (Text(datagram) == "throw")
                {
                    throw new FormatException("bad");
                }
                await Session.SendAsync(Encoding.UTF8.GetBytes($"{++counter.Value} {Text(datagram)}"), stop);
            }
        }

        protected override Task FinishAsync() => SayAsync(Session, "finish").AsTask();
    }
}
