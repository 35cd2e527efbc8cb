using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Switchboard.Linux;
using Switchboard.Servers;
using Switchboard.Servers.Tests;

namespace Switchboard.Hosting.Tests;

/// <summary>Servers start, stop and fail with their host.</summary>
public sealed class HostLifetimeTests
{
    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_stop_of_the_host_lets_calls_say_their_last_words(Model model)
    {
        await using var host = new TestHost(servers => servers.AddStream("slow", static async (caller, stop) =>
        {
            await caller.WriteAsync("hello"u8.ToArray(), CancellationToken.None);
            await using (stop.Register(static () => { }))
            {
                await caller.ReadMessageAsync(Framing.Line, CancellationToken.None);
            }
            await caller.WriteAsync("last words"u8.ToArray(), CancellationToken.None);
        }, endpoint => (endpoint.Address, endpoint.Concurrency) = ("127.0.0.1:0", model.Make())));
        await host.StartAsync();
        using Caller caller = await Caller.ConnectAsync(host["slow"]);
        await caller.ExpectAsync("hello");
        Task stop = host.StopAsync();
        await host.Log.WaitAsync(record => record.Text == "slow stops; 1 calls run.");
        Assert.False(stop.IsCompleted);
        await caller.SendAsync("bye\n");
        await caller.ExpectAsync("last words");
        await caller.WaitForEndAsync();
        await stop;
        Assert.True(host["slow"].Completion.IsCompletedSuccessfully);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Calls_that_still_run_when_the_shutdown_time_is_over_are_ended(Model model)
    {
        await using var host = new TestHost(servers => servers.AddStream("deaf", static async (caller, _) =>
        {
            await caller.WriteAsync("hello"u8.ToArray(), CancellationToken.None);
            await caller.ReadMessageAsync(Framing.Line, CancellationToken.None);
        }, endpoint => (endpoint.Address, endpoint.Concurrency) = ("127.0.0.1:0", model.Make())), shutdownTime: TimeSpan.FromMilliseconds(50));
        await host.StartAsync();
        using Caller caller = await Caller.ConnectAsync(host["deaf"]);
        await caller.ExpectAsync("hello");
        await host.StopAsync();
        await caller.WaitForEndAsync();
        Assert.Equal(1, host["deaf"].Statistics.EndedBy[ConnectionEndReason.Stopped]);
        Assert.Single(host.Log.Records, record => record is { Id: 202, Level: LogLevel.Warning });
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task An_address_in_use_fails_the_start_and_leaves_nothing_behind()
    {
        await using var other = new TcpServer("127.0.0.1:0", static (_, _) => Task.CompletedTask);
        other.Bind();
        other.Activate();
        await using var host = new TestHost(servers => servers
            .AddStream("free", static (_, _) => Task.CompletedTask, EndpointTests.Anywhere)
            .AddStream("busy", static (_, _) => Task.CompletedTask, endpoint => endpoint.Address = other.LocalEndPoint!));
        ServerGroupException failure = await Assert.ThrowsAsync<ServerGroupException>(host.StartAsync);
        Assert.StartsWith("busy could not be started", failure.Message, StringComparison.Ordinal);
        Assert.Contains($"{other.LocalEndPoint} is in use", failure.Message, StringComparison.Ordinal);
        Assert.True(host["free"].Completion.IsCompleted);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_server_that_fails_stops_the_host_which_ends_with_that()
    {
        await using TestHost host = await StartFailingAsync();
        Task shutdown = host.WaitForShutdownAsync();
        await FailAsync(host);
        ServerGroupException failure = await Assert.ThrowsAsync<ServerGroupException>(() => shutdown);
        Assert.StartsWith("The server of endpoint failing failed, so the host stopped: ", failure.Message, StringComparison.Ordinal);
        Assert.Same(host["failing"], failure.Server);
        Assert.Single(host.Log.Records, record => record is { Id: 200, Level: LogLevel.Critical });
        Assert.True(host["other"].Completion.IsCompleted);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_server_that_fails_is_only_reported_if_the_configuration_says_so()
    {
        await using TestHost host = await StartFailingAsync(("WhenServerFails", "report"));
        await FailAsync(host);
        await host.Log.WaitAsync(record => record is { Id: 201, Level: LogLevel.Error });
        using Caller caller = await Caller.ConnectAsync(host["other"]);
        await caller.ExpectAsync("hello");
        Assert.False(host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested);
        await host.StopAsync();
    }

    private static async Task<TestHost> StartFailingAsync(params (string Key, string Value)[] configuration)
    {
        var host = new TestHost(static servers => servers
            .AddServer("failing", static (_, endpoint) => new FailingServer(endpoint), EndpointTests.Anywhere)
            .AddStream("other", static (caller, stop) => caller.WriteAsync("hello"u8.ToArray(), stop).AsTask(), EndpointTests.Anywhere),
            configuration.ToDictionary(row => row.Key, row => (string?)row.Value));
        await host.StartAsync();
        return host;
    }

    private static async Task FailAsync(TestHost host)
    {
        var server = (FailingServer)host["failing"];
        server.Fails = true;
        try
        {
            (await Caller.ConnectAsync(server)).Dispose();
        }
        catch (SocketException)
        {
            // The listener may be closed at once.
        }
        await Assert.ThrowsAsync<SystemCallException>(() => server.Completion.InTime());
    }

    /// <summary>Fails to accept, once it is told to.</summary>
    private sealed class FailingServer(EndpointOptions endpoint) : TcpServer(endpoint.Address!.Value, static (_, _) => Task.CompletedTask, endpoint.Concurrency, endpoint.Server)
    {
        internal volatile bool Fails;

        protected override Connection? GetRequest() => Fails ? throw new SystemCallException("accept4", Errno.Fault) : base.GetRequest();
    }
}
