using Switchboard.Linux;

namespace Switchboard.Servers.Tests;

/// <summary>The calls that carry datagrams fail as they do when the machine is short of memory. What was not sent is told to
/// whom it concerns; the server lives on.</summary>
[Collection(nameof(Alone))]
public sealed class FailingDatagramTests
{
    private const int Limit = 4 * Deadline.Milliseconds;

    // On all addresses an answer says by which of them it leaves, and that takes another call.
    [Theory(Timeout = Limit)]
    [InlineData("127.0.0.1:0", "sendto", "ENOBUFS", Errno.NoBuffers)]
    [InlineData("127.0.0.1:0", "sendto", "ENOMEM", Errno.NoMemory)]
    [InlineData("0.0.0.0:0", "sendmsg", "ENOBUFS", Errno.NoBuffers)]
    public async Task An_answer_that_the_kernel_has_no_room_for_fails_by_itself_and_may_be_sent_again(string address, string call, string error, Errno expected)
    {
        var failures = new List<Errno>();
        await using var server = new UdpServer(address, async (datagram, stop) =>
        {
            try
            {
                await datagram.ReplyAsync(datagram.Data, stop);
            }
            catch (SystemCallException exception)
            {
                failures.Add(exception.Errno);
                await datagram.ReplyAsync("again"u8.ToArray(), stop);
            }
        }, Concurrency.EventLoop(), new ServerOptions { Name = "fails-sends" });
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        await SayAsync(caller, "warm", "warm");
        await using (FailingCalls calls = FailingCalls.Begin(Assert.Single(LoopThreads.Ids("fails-sends")), [call], (call, 1, error)))
        {
            await SayAsync(caller, "one", "again");
            await SayAsync(caller, "two", "two");
            Assert.Contains(await calls.EndAsync(), static line => line.Contains("INJECTED", StringComparison.Ordinal));
        }
        Assert.Equal(expected, Assert.Single(failures));
        await SayAsync(caller, "three", "three");
    }

    [Fact(Timeout = Limit)]
    public async Task A_handler_that_does_not_mind_such_a_failure_ends_with_it_alone_and_it_is_told()
    {
        var log = new RecordingLog();
        await using var server = new UdpServer("127.0.0.1:0", static (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask(),
            Concurrency.EventLoop(), new ServerOptions { Name = "fails-told", LoggerFactory = log });
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        await SayAsync(caller, "warm", "warm");
        await using FailingCalls calls = FailingCalls.Begin(Assert.Single(LoopThreads.Ids("fails-told")), ["sendto"], ("sendto", 1, "ENOBUFS"));
        await caller.SendAsync("lost");
        LogRecord told = await log.WaitAsync(static record => record.Exception is SystemCallException { Errno: Errno.NoBuffers });
        Assert.Contains("sendto", told.Exception!.Message, StringComparison.Ordinal);
        await SayAsync(caller, "next", "next");
        Assert.False(server.Completion.IsCompleted);
    }

    [Theory(Timeout = Limit)]
    [InlineData("ENOMEM")]
    [InlineData("ENOBUFS")]
    [InlineData("EINTR")]
    public async Task A_receive_that_fails_for_want_of_memory_loses_no_datagram(string error)
    {
        await using var server = new UdpServer("127.0.0.1:0", static (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask(),
            Concurrency.EventLoop(), new ServerOptions { Name = "fails-takes" });
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        await SayAsync(caller, "warm", "warm");
        await using FailingCalls calls = FailingCalls.Begin(Assert.Single(LoopThreads.Ids("fails-takes")), ["recvmmsg"], ("recvmmsg", 1, error));
        await SayAsync(caller, "one", "one");
        await SayAsync(caller, "two", "two");
        Assert.Contains(await calls.EndAsync(), static line => line.Contains("INJECTED", StringComparison.Ordinal));
    }

    [Theory(Timeout = Limit), MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Answers_larger_than_the_send_buffer_come_whole_and_those_too_large_fail_by_themselves(Model model)
    {
        const int Longest = 65_507;
        var options = new ServerOptions { Datagrams = new() { SendBuffer = 1 } };
        await using var server = new UdpServer("127.0.0.1:0", static async (datagram, stop) =>
        {
            int length = int.Parse(datagram.Data.Span, System.Globalization.CultureInfo.InvariantCulture);
            try
            {
                await datagram.ReplyAsync(new byte[length], stop);
            }
            catch (SystemCallException exception)
            {
                await datagram.ReplyAsync(System.Text.Encoding.ASCII.GetBytes($"{exception.Errno}"), stop);
            }
        }, model.Make(), options);
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        for (int i = 0; i < 20; i++)
        {
            await caller.SendAsync($"{Longest}");
            Assert.Equal(Longest, (await caller.ReceiveAsync()).Length);
        }
        await SayAsync(caller, $"{Longest + 1}", $"{Errno.MessageSize}");
    }

    private static async Task SayAsync(DatagramCaller caller, string text, string answer)
    {
        await caller.SendAsync(text);
        Assert.Equal(answer, await caller.ReceiveAsync());
    }
}
