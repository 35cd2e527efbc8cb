using Microsoft.Extensions.DependencyInjection;

namespace Switchboard.Servers.Tests;

/// <summary>Each request is served by an object of its own, wherever it comes from.</summary>
public sealed class HandlerObjectTests
{
    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_factory_makes_one_for_each_call()
    {
        int made = 0;
        await using var server = new TcpServer("127.0.0.1:0", (Func<RequestHandler>)(() => new Numbered(new Counter { Value = 10 * ++made })), Concurrency.Threads());
        Assert.Equal(["11", "21", "31"], await AnswersAsync(server));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_factory_of_blocking_handlers_makes_one_for_each_call()
    {
        int made = 0;
        await using var server = new TcpServer("127.0.0.1:0", (Func<BlockingRequestHandler>)(() => new BlockingNumbered(new Counter { Value = 10 * ++made })), Concurrency.Threads());
        Assert.Equal(["11", "21", "31"], await AnswersAsync(server));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_type_is_made_by_its_constructor_for_each_call()
    {
        await using var server = new TcpServer<Plain>("127.0.0.1:0");
        Assert.Equal(["1", "1", "1"], await AnswersAsync(server));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_type_gets_what_its_constructor_takes_from_the_services()
    {
        await using ServiceProvider services = new ServiceCollection().AddSingleton<Counter>().BuildServiceProvider();
        await using var server = new TcpServer<Numbered>("127.0.0.1:0", services: services);
        // One counter, and a handler for each call: a second call on the same object would be refused.
        Assert.Equal(["1", "2", "3"], await AnswersAsync(server));
        await using ServiceProvider others = new ServiceCollection().AddTransient<Counter>().BuildServiceProvider();
        await using var second = new TcpServer<BlockingNumbered>("127.0.0.1:0", services: others);
        Assert.Equal(["1", "1", "1"], await AnswersAsync(second));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_service_that_is_missing_is_named_and_ends_that_call_only()
    {
        var log = new RecordingLog();
        await using ServiceProvider services = new ServiceCollection().BuildServiceProvider();
        await using var server = new TcpServer<Numbered>("127.0.0.1:0", options: new ServerOptions { LoggerFactory = log }, services: services);
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.WaitForEndAsync();
        await log.WaitAsync(record => record.Exception?.Message.Contains(nameof(Counter), StringComparison.Ordinal) == true);
        Assert.False(server.Completion.IsCompleted);
    }

    [Fact]
    public void A_type_that_can_not_be_made_is_refused_when_the_server_is_made()
    {
        var error = Assert.Throws<ArgumentException>(() => new TcpServer<Numbered>("127.0.0.1:0"));
        Assert.Contains(nameof(Numbered), error.Message, StringComparison.Ordinal);
        Assert.Contains("services", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => new TcpServer("127.0.0.1:0", (Func<RequestHandler>)null!));
        Assert.Throws<ArgumentNullException>(() => new TcpServer("127.0.0.1:0", (Func<Connection, CancellationToken, Task>)null!));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_factory_that_returns_nothing_or_the_same_again_is_told_what_to_do()
    {
        var log = new RecordingLog();
        var options = new ServerOptions { LoggerFactory = log };
        await using var none = new TcpServer("127.0.0.1:0", (Func<RequestHandler>)(() => null!), options: options);
        var first = new Plain();
        await using var same = new TcpServer("127.0.0.1:0", (Func<RequestHandler>)(() => first), options: options);
        foreach ((TcpServer server, string words) in ((TcpServer, string)[])[(none, "returned null"), (same, "serves one call")])
        {
            await server.StartAsync().InTime();
            for (int call = 0; call < 2; call++)
            {
                using Caller caller = await Caller.ConnectAsync(server);
                await caller.WaitForEndAsync();
            }
            await log.WaitAsync(record => record.Exception?.Message.Contains(words, StringComparison.Ordinal) == true);
        }
    }

    [Fact]
    public void A_handler_without_a_call_has_no_connection() =>
        Assert.Contains("serves no call yet", Assert.Throws<InvalidOperationException>(() => new Plain().Connection).Message, StringComparison.Ordinal);

    private static async Task<string[]> AnswersAsync(TcpServer server)
    {
        await server.StartAsync().InTime();
        var answers = new List<string>();
        for (int call = 0; call < 3; call++)
        {
            using Caller caller = await Caller.ConnectAsync(server);
            answers.Add(await caller.ReadTextToEndAsync());
        }
        return [.. answers];
    }

    internal sealed class Counter
    {
        internal int Value { get; set; }
    }

    internal class Numbered(Counter counter) : RequestHandler
    {
        protected override async Task HandleAsync(CancellationToken stop) =>
            await Connection.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"{++counter.Value}"), stop);
    }

    internal sealed class Plain() : Numbered(new Counter());

    internal sealed class BlockingNumbered(Counter counter) : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop) => Connection.Write(System.Text.Encoding.ASCII.GetBytes($"{++counter.Value}"));
    }
}
