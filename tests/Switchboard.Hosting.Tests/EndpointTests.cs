using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Switchboard.Servers;
using Switchboard.Servers.Tests;

namespace Switchboard.Hosting.Tests;

/// <summary>What endpoints may be, and where their handlers come from.</summary>
public sealed class EndpointTests
{
    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Each_call_has_a_handler_from_a_scope_that_ends_after_it(Model model)
    {
        await using var host = new TestHost(servers => Visiting(servers).AddStream<VisitHandler>("visits", endpoint => (endpoint.Address, endpoint.Concurrency) = ("127.0.0.1:0", model.Make())));
        await host.StartAsync();
        for (int visit = 1; visit <= 3; visit++)
        {
            using Caller caller = await Caller.ConnectAsync(host["visits"]);
            await caller.ExpectAsync($"{visit}\n");
            await caller.SendAsync("again\n");
            await caller.ExpectAsync($"{visit}\n");
            caller.CloseOutput();
            await caller.WaitForEndAsync();
            // The end of the connection is told after the scope has ended.
            Assert.Equal(Enumerable.Range(1, visit), host.Services.GetRequiredService<Visits>().Ended);
        }
        await host.StopAsync();
        Assert.Single(host.Log.Records, record => record.Text.StartsWith("visits listens on 127.0.0.1:", StringComparison.Ordinal));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Handlers_are_types_lambdas_and_factories_of_streams_and_datagrams()
    {
        using var folder = new TemporaryFolder();
        await using var host = new TestHost(servers => Visiting(servers)
            .AddStream("lambda", static (caller, stop) => caller.WriteAsync("lambda"u8.ToArray(), stop).AsTask(), endpoint => endpoint.Address = folder.Address("lambda"))
            .AddStream("factory", static services => new VisitHandler(services.GetRequiredService<Visit>(), services.GetRequiredService<Visit>()), Anywhere)
            .AddStream("blocking factory", static services => new BlockingVisitHandler(services.GetRequiredService<Visit>()), Anywhere)
            .AddStream<BlockingVisitHandler>("blocking", endpoint => endpoint.Address = folder.Address("blocking"))
            .AddDatagrams("datagram lambda", static (datagram, stop) => datagram.ReplyAsync("lambda"u8.ToArray(), stop).AsTask(), Anywhere)
            .AddDatagrams("datagram factory", static services => new VisitDatagramHandler(services.GetRequiredService<Visit>()), Anywhere)
            .AddSessions("sessions", static (session, stop) => session.SendAsync("session"u8.ToArray(), stop).AsTask(), endpoint => (endpoint.Address, endpoint.Concurrency) = ("127.0.0.1:0", Concurrency.EventLoop()))
            .AddDatagrams<VisitDatagramHandler>("datagrams", endpoint => endpoint.Address = folder.Address("datagrams")));
        await host.StartAsync();
        int visits = 0;
        foreach ((string name, string said) in ((string, string)[])[("lambda", "lambda"), ("factory", "1"), ("blocking factory", "2"), ("blocking", "3")])
        {
            using Caller caller = await Caller.ConnectAsync(host[name]);
            await caller.ExpectAsync(said);
            caller.CloseOutput();
            await caller.WaitForEndAsync();
            visits += said == "lambda" ? 0 : 1;
        }
        foreach ((string name, string said, string? path) in ((string, string, string?)[])[("datagram lambda", "lambda", null), ("sessions", "session", null), ("datagram factory", "4", null), ("datagrams", "5", folder.File("caller"))])
        {
            using var caller = new DatagramCaller(host[name], path);
            await caller.SendAsync("hello");
            Assert.Equal(said, await caller.ReceiveAsync());
        }
        Assert.IsType<UnixStreamServer>(host["lambda"]);
        Assert.IsType<UnixDatagramServer>(host["datagrams"]);
        Assert.Equal(8, host.Servers.Group.Servers.Count);
        Assert.Contains("There is no endpoint 'other'. There are lambda, factory", Assert.Throws<KeyNotFoundException>(() => host["other"]).Message, StringComparison.Ordinal);
        await host.StopAsync();
        Assert.Equal(5, host.Services.GetRequiredService<Visits>().Ended.Count);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Endpoints_with_the_same_loops_share_them_and_a_service_reaches_all_connections()
    {
        Concurrency loop = Concurrency.EventLoop();
        int? thread = null;
        async Task ServeAsync(Connection caller, CancellationToken stop)
        {
            thread ??= Environment.CurrentManagedThreadId;
            await caller.WriteAsync(thread == Environment.CurrentManagedThreadId ? "same"u8.ToArray() : "else"u8.ToArray(), stop);
            await caller.ReadMessageAsync(Framing.Line, stop);
        }
        await using var host = new TestHost(servers => servers
            .AddStream("one", ServeAsync, endpoint => (endpoint.Address, endpoint.Concurrency) = ("127.0.0.1:0", loop))
            .AddStream("two", ServeAsync, endpoint => (endpoint.Address, endpoint.Concurrency) = ("127.0.0.1:0", loop)));
        await host.StartAsync();
        using Caller first = await Caller.ConnectAsync(host["one"]);
        using Caller second = await Caller.ConnectAsync(host["TWO"]);
        await first.ExpectAsync("same");
        await second.ExpectAsync("same");
        Assert.Equal(2, host.Servers.Group.Broadcast("news"u8));
        await first.ExpectAsync("news");
        await second.ExpectAsync("news");
    }

    [Fact]
    public void A_name_is_given_once()
    {
        SwitchboardBuilder servers = new ServiceCollection().AddSwitchboard().AddStream<VisitHandler>("echo");
        Assert.Contains("There is an endpoint 'Echo' already", Assert.Throws<ArgumentException>(() => servers.AddDatagrams<VisitDatagramHandler>("Echo")).Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_host_without_endpoints_or_with_one_that_has_no_address_does_not_start()
    {
        await using var empty = new TestHost(static _ => { });
        Assert.Contains("no endpoint was added", (await Assert.ThrowsAsync<OptionsValidationException>(empty.StartAsync)).Message, StringComparison.Ordinal);
        await using var nowhere = new TestHost(servers => Visiting(servers).AddStream<VisitHandler>("echo"));
        Assert.Contains("The endpoint echo has no address. Set EndpointOptions.Address where it is added, or Endpoints:echo:Address", (await Assert.ThrowsAsync<OptionsValidationException>(nowhere.StartAsync)).Message, StringComparison.Ordinal);
        await using var named = new TestHost(servers => Visiting(servers).AddStream<VisitHandler>("echo", endpoint => endpoint.Address = "example.org:80"));
        Assert.Contains("'example.org' in 'example.org:80' is not an address of this machine", (await Assert.ThrowsAsync<OptionsValidationException>(named.StartAsync)).Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task What_the_server_itself_refuses_fails_the_start()
    {
        await using var host = new TestHost(servers => Visiting(servers).AddStream<BlockingVisitHandler>("echo", endpoint => (endpoint.Address, endpoint.Concurrency) = ("127.0.0.1:0", Concurrency.EventLoop())));
        Assert.Contains("BlockingVisitHandler is a BlockingRequestHandler", (await Assert.ThrowsAsync<ArgumentException>(host.StartAsync)).Message, StringComparison.Ordinal);
    }

    internal static void Anywhere(EndpointOptions endpoint) => endpoint.Address = "127.0.0.1:0";

    private static SwitchboardBuilder Visiting(SwitchboardBuilder servers)
    {
        servers.Services.AddSingleton<Visits>().AddScoped<Visit>();
        return servers;
    }
}
