using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Servers.Tests;

/// <summary>A server is bound, let loose, and ended once; nothing of it stays.</summary>
public sealed class ServerLifetimeTests
{
    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Binding_letting_callers_in_and_serving_are_three_steps()
    {
        await using TcpServer server = Greeting();
        Assert.Null(server.LocalEndPoint);
        server.Bind();
        server.Bind();
        var refused = await Assert.ThrowsAsync<SocketException>(() => Caller.ConnectAsync(server));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        server.Activate();
        using Caller caller = await Caller.ConnectAsync(server);
        Assert.Equal(0, server.Statistics.Accepted);
        await server.StartAsync().InTime();
        Assert.Equal("hello", await caller.ReadTextToEndAsync());
        await server.StartAsync().InTime();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_busy_address_is_named_and_the_one_who_has_it_is_not_disturbed(bool unix)
    {
        using var folder = new TemporaryFolder();
        await using StreamServer first = unix
            ? new UnixStreamServer(folder.Address("busy"), GreetAsync)
            : Greeting();
        await first.StartAsync().InTime();
        await using StreamServer second = unix
            ? new UnixStreamServer(new ServerAddress(first.LocalEndPoint!), GreetAsync)
            : new TcpServer(new ServerAddress(first.LocalEndPoint!), GreetAsync);
        var error = await Assert.ThrowsAsync<AddressInUseException>(() => second.StartAsync());
        Assert.Contains($"{first.LocalEndPoint}", error.Message, StringComparison.Ordinal);
        Assert.Throws<AddressInUseException>(second.Bind);
        using Caller caller = await Caller.ConnectAsync(first);
        Assert.Equal("hello", await caller.ReadTextToEndAsync());
        caller.Dispose();
        await first.StopAsync().InTime();
        // The address is free now, and the second has not been spoilt by its failure.
        await second.StartAsync().InTime();
        using Caller next = await Caller.ConnectAsync(second);
        Assert.Equal("hello", await next.ReadTextToEndAsync());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Serving_for_ever_ends_by_its_token_and_by_a_stop_from_any_thread()
    {
        await using TcpServer byToken = Greeting();
        using var source = new CancellationTokenSource();
        Task serving = byToken.ServeForeverAsync(source.Token);
        using (Caller caller = await Caller.ConnectAsync(byToken))
        {
            Assert.Equal("hello", await caller.ReadTextToEndAsync());
        }
        Assert.False(serving.IsCompleted);
        await source.CancelAsync();
        await serving.InTime();
        await using TcpServer byStop = Greeting();
        serving = byStop.ServeForeverAsync();
        var other = new Thread(() => byStop.StopAsync().Wait()) { IsBackground = true };
        other.Start();
        await serving.InTime();
        Deadline.Join(other);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_server_is_stopped_as_often_as_one_likes_and_never_starts_again()
    {
        await using TcpServer never = Greeting();
        await never.StopAsync().InTime();
        await using TcpServer served = Greeting();
        await served.StartAsync().InTime();
        await Task.WhenAll(Task.Run(served.StopAsync), Task.Run(served.StopAsync), served.StopAsync()).InTime();
        foreach (TcpServer server in (TcpServer[])[never, served])
        {
            await server.StopAsync().InTime();
            await server.DisposeAsync().InTime();
            Assert.True(server.Completion.IsCompletedSuccessfully);
            Assert.True(server.Stopping.IsCancellationRequested);
            var error = await Assert.ThrowsAsync<InvalidOperationException>(() => server.StartAsync());
            Assert.Contains("was stopped", error.Message, StringComparison.Ordinal);
        }
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_handler_may_stop_its_own_server_and_await_it(Model model)
    {
        TcpServer? server = null;
        await using var used = server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            await server!.StopAsync();
            Assert.True(stop.IsCancellationRequested);
            Assert.False(server.Completion.IsCompleted, "The server has ended while its handler runs.");
            await connection.WriteAsync("stopped"u8.ToArray(), CancellationToken.None);
        }, model.Make());
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        Assert.Equal("stopped", await caller.ReadTextToEndAsync());
        await server.Completion.InTime();
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Two_handlers_that_both_stop_the_server_do_not_wait_for_each_other()
    {
        TcpServer? server = null;
        var both = new CountdownEvent(2);
        await using var used = server = new TcpServer("127.0.0.1:0", async (connection, _) =>
        {
            both.Signal();
            Assert.True(both.Wait(Deadline.Time));
            await server!.StopAsync();
            await connection.WriteAsync("stopped"u8.ToArray(), CancellationToken.None);
        });
        await server.StartAsync().InTime();
        using Caller one = await Caller.ConnectAsync(server);
        using Caller two = await Caller.ConnectAsync(server);
        Assert.Equal("stopped", await one.ReadTextToEndAsync());
        Assert.Equal("stopped", await two.ReadTextToEndAsync());
        await server.Completion.InTime();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task No_thread_and_no_socket_outlives_the_server(Model model)
    {
        // The kernel keeps 15 characters of a thread's name.
        string name = $"life-{(int)model}";
        var sockets = new List<string>();
        await using var server = new ExposedServer(model.Make(), new ServerOptions { Name = name }, (connection, _) =>
        {
            sockets.Add(Link(((StreamTransport)connection.Transport).Descriptor));
            return Task.CompletedTask;
        });
        await server.StartAsync().InTime();
        string listener = Link(server.Descriptor);
        using (Caller caller = await Caller.ConnectAsync(server))
        {
            Assert.Empty(await caller.ReadToEndAsync());
        }
        Assert.Equal(model switch { Model.Threads => 2, Model.ThreeLoops => 3, _ => 1 }, ThreadsNamed(name));
        Assert.Contains(listener, OpenLinks());
        Assert.Single(sockets);
        sockets.Add(listener);
        await server.StopAsync().InTime();
        Assert.Empty(OpenLinks().Intersect(sockets));
        // A thread has ended for the runtime a moment before it has for the kernel.
        await Deadline.UntilAsync(() => ThreadsNamed(name) == 0, "all threads of the server end");
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_hundred_servers_leave_no_descriptor_of_their_loops()
    {
        int before = EventDescriptors();
        for (int round = 0; round < 100; round++)
        {
            await using TcpServer server = Greeting();
            await server.StartAsync().InTime();
            using Caller caller = await Caller.ConnectAsync(server);
            Assert.Equal("hello", await caller.ReadTextToEndAsync());
        }
        // Other tests have loops too, but not as many.
        await Deadline.UntilAsync(() => EventDescriptors() < before + 100, "the loops close their descriptors");
    }

    private static TcpServer Greeting() => new("127.0.0.1:0", GreetAsync);

    private static Task GreetAsync(Connection connection, CancellationToken stop) => connection.WriteAsync("hello"u8.ToArray(), stop).AsTask();

    private static string Link(int descriptor) => new FileInfo($"/proc/self/fd/{descriptor}").LinkTarget!;

    private static HashSet<string> OpenLinks() => [.. Directory.GetFiles("/proc/self/fd").Select(path => new FileInfo(path).LinkTarget ?? "")];

    private static int EventDescriptors() => Directory.GetFiles("/proc/self/fd")
        .Count(path => new FileInfo(path).LinkTarget?.Contains("eventfd", StringComparison.Ordinal) == true);

    private static int ThreadsNamed(string name) => Directory.GetDirectories("/proc/self/task").Count(thread =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(thread, "comm")).StartsWith(name, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    });
}

/// <summary>A server that shows the descriptor it listens on.</summary>
internal sealed class ExposedServer(Concurrency? concurrency, ServerOptions options, Func<Connection, CancellationToken, Task> handle, string address = "127.0.0.1:0")
    : TcpServer(address, handle, concurrency, options)
{
    internal int Descriptor => (int)SocketHandle!.DangerousGetHandle();
}
