using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;
using Switchboard.Servers.Classic;

namespace Switchboard.Servers.Tests;

/// <summary>What CPython's tests ask of every kind of server.</summary>
public sealed class SocketServerConformanceTests : IDisposable
{
    private const string Text = "hello world\n";

    private readonly TemporaryFolder _folder = new();

    [Fact(Timeout = Deadline.Milliseconds)]
    public Task A_TCP_server_answers_its_callers() =>
        AssertAnswersCallsAsync(new TcpServer<LineEchoHandler>("127.0.0.1:0", Concurrency.Sequential()));

    [Fact(Timeout = Deadline.Milliseconds)]
    public Task A_threading_TCP_server_answers_its_callers() =>
        AssertAnswersCallsAsync(new ThreadingTcpServer<LineEchoHandler>("127.0.0.1:0"));

    [Fact(Timeout = Deadline.Milliseconds)]
    public Task A_Unix_stream_server_answers_its_callers() =>
        AssertAnswersCallsAsync(new UnixStreamServer<LineEchoHandler>(_folder.Address("server"), Concurrency.Sequential()));

    [Fact(Timeout = Deadline.Milliseconds)]
    public Task A_threading_Unix_stream_server_answers_its_callers() =>
        AssertAnswersCallsAsync(new ThreadingUnixStreamServer<LineEchoHandler>(_folder.Address("server")));

    [Fact(Timeout = Deadline.Milliseconds)]
    public Task A_UDP_server_answers_its_callers() =>
        AssertAnswersDatagramsAsync(new UdpServer<DatagramEchoHandler>("127.0.0.1:0", Concurrency.Sequential()));

    [Fact(Timeout = Deadline.Milliseconds)]
    public Task A_threading_UDP_server_answers_its_callers() =>
        AssertAnswersDatagramsAsync(new ThreadingUdpServer<DatagramEchoHandler>("127.0.0.1:0"));

    [Fact(Timeout = Deadline.Milliseconds)]
    public Task A_Unix_datagram_server_answers_its_callers() =>
        AssertAnswersDatagramsAsync(new UnixDatagramServer<DatagramEchoHandler>(_folder.Address("server"), Concurrency.Sequential()));

    [Fact(Timeout = Deadline.Milliseconds)]
    public Task A_threading_Unix_datagram_server_answers_its_callers() =>
        AssertAnswersDatagramsAsync(new ThreadingUnixDatagramServer<DatagramEchoHandler>(_folder.Address("server")));

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Stopping_right_after_starting_ends_each_of_twenty_servers()
    {
        TcpServer[] servers = [.. Enumerable.Range(0, 20).Select(_ => new TcpServer<LineEchoHandler>("127.0.0.1:0"))];
        var ends = new List<Task>();
        foreach (TcpServer server in servers)
        {
            ends.Add(server.ServeForeverAsync());
            ends.Add(Task.Run(server.StopAsync));
        }
        await Task.WhenAll(ends).InTime();
        Assert.All(servers, server => Assert.True(server.Completion.IsCompletedSuccessfully));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_server_that_never_served_closes_at_once()
    {
        int made = 0;
        RequestHandler Make()
        {
            made++;
            return new LineEchoHandler();
        }
        var server = new TcpServer("127.0.0.1:0", (Func<RequestHandler>)Make);
        await server.DisposeAsync().InTime();
        Assert.True(server.Completion.IsCompletedSuccessfully);
        Assert.Equal(0, made);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_thousand_servers_that_cannot_bind_leave_no_socket_open()
    {
        await using var first = new TcpServer<LineEchoHandler>("127.0.0.1:0");
        first.Activate();
        int before = OpenSockets();
        Assert.True(before > 0);
        for (int round = 0; round < 1024; round++)
        {
            await using var second = new TcpServer<LineEchoHandler>(new ServerAddress(first.LocalEndPoint!));
            Assert.Throws<AddressInUseException>(second.Bind);
            Assert.Null(second.LocalEndPoint);
        }
        // Other tests open sockets too, but not as many.
        Assert.InRange(OpenSockets(), 0, before + 512);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Using_closes_the_socket()
    {
        EndPoint address;
        await using (var server = new TcpServer<LineEchoHandler>("127.0.0.1:0"))
        {
            server.Activate();
            address = server.LocalEndPoint!;
            using Caller caller = await Caller.ConnectAsync(address);
        }
        await AssertNobodyListensAsync(address);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Threads_are_used_again_and_not_kept_for_each_request()
    {
        var threads = new HashSet<int>();
        var ended = new SemaphoreSlim(0);
        await using var server = new TcpServer("127.0.0.1:0", (_, _) =>
        {
            lock (threads)
            {
                threads.Add(ThreadCalls.CurrentThreadId());
            }
            return Task.CompletedTask;
        }, Concurrency.Threads());
        server.ConnectionEnded += (_, _) => ended.Release();
        server.Activate();
        for (int call = 0; call < 50; call++)
        {
            using Caller caller = await Caller.ConnectAsync(server);
            Assert.True(await server.HandleRequestAsync().InTime());
            Assert.True(await ended.WaitAsync(Deadline.Time));
        }
        Assert.Equal(50, server.Statistics.Accepted);
        Assert.InRange(threads.Count, 1, 10);
    }

    public void Dispose() => _folder.Dispose();

    private static async Task AssertAnswersCallsAsync(StreamServer server)
    {
        await using var used = server;
        Task serving = server.ServeForeverAsync();
        EndPoint address = server.LocalEndPoint!;
        for (int call = 0; call < 3; call++)
        {
            using Caller caller = await Caller.ConnectAsync(address);
            Assert.Equal(caller.Socket.RemoteEndPoint, address);
            await caller.SendAsync(Text);
            Assert.Equal(Text, await caller.ReadTextToEndAsync());
        }
        await server.StopAsync().InTime();
        await serving.InTime();
        Assert.Equal(3, server.Statistics.Accepted);
        await AssertNobodyListensAsync(address);
    }

    private async Task AssertAnswersDatagramsAsync(DatagramServer server)
    {
        await using var used = server;
        Task serving = server.ServeForeverAsync();
        EndPoint address = server.LocalEndPoint!;
        for (int call = 0; call < 3; call++)
        {
            using var caller = new DatagramCaller(server, address is UnixDomainSocketEndPoint ? _folder.File($"caller{call}") : null);
            await caller.SendAsync(Text);
            Assert.Equal(Text, await caller.ReceiveAsync());
        }
        await server.StopAsync().InTime();
        await serving.InTime();
        Assert.Equal(3, server.Statistics.Accepted);
        using var next = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Unspecified);
        next.Bind(address);
    }

    private static async Task AssertNobodyListensAsync(EndPoint address)
    {
        SocketException exception = await Assert.ThrowsAsync<SocketException>(() => Caller.ConnectAsync(address));
        Assert.Contains(exception.SocketErrorCode, new[] { SocketError.ConnectionRefused, SocketError.AddressNotAvailable });
        Assert.False(address is UnixDomainSocketEndPoint && File.Exists(address.ToString()));
    }

    private static int OpenSockets() => Directory.GetFiles("/proc/self/fd")
        .Count(path => new FileInfo(path).LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) == true);
}
