using System.Net.Sockets;
using Switchboard.Linux;
using static Switchboard.Servers.Tests.Sessions;

namespace Switchboard.Servers.Tests;

/// <summary>Sessions on a Unix socket: of peers that have an address.</summary>
public sealed class UnixDatagramSessionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task Each_bound_peer_has_its_session_in_order(Model model)
    {
        await using UnixDatagramSessionServer server = Serve(model, CountAsync);
        await server.StartAsync().InTime();
        using DatagramCaller first = Bound(server, "first");
        // In the abstract namespace, without a file.
        using var second = new DatagramCaller(server, $"\0{_folder.File("second")}");
        for (int i = 1; i <= 20; i++)
        {
            await first.SendAsync($"a{i}");
            await second.SendAsync($"b{i}");
            Assert.Equal($"1 {i} a{i}", await first.ReceiveAsync());
            Assert.Equal($"2 {i} b{i}", await second.ReceiveAsync());
        }
        Assert.Equal([first.LocalEndPoint, second.LocalEndPoint], server.Sessions.OrderBy(session => session.Id).Select(session => session.RemoteEndPoint));
        await server.StopAsync().InTime();
        Assert.Equal(2, server.Statistics.EndedBy[ConnectionEndReason.Stopped]);
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_peer_without_an_address_has_no_session_and_is_told_of(Model model)
    {
        var log = new RecordingLog();
        await using UnixDatagramSessionServer server = Serve(model, CountAsync, log);
        await server.StartAsync().InTime();
        using var nobody = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        for (int i = 0; i < 3; i++)
        {
            nobody.SendTo("x"u8.ToArray(), server.LocalEndPoint!);
        }
        using DatagramCaller caller = Bound(server, "caller");
        Assert.Equal("1 1 a", await AskAsync(caller, "a"));
        Assert.Equal((1, 3), (server.Statistics.Accepted, server.Statistics.Dropped));
        Assert.Contains("Have these clients bind their sockets", Assert.Single(log.Records, record => record.Id == 62).Text, StringComparison.Ordinal);
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_peer_that_is_gone_can_t_be_sent_to_and_ends_by_silence(Model model)
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var failure = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using UnixDatagramSessionServer server = Serve(model, async (session, stop) =>
        {
            await session.ReceiveAsync(stop);
            await go.Task;
            failure.SetResult(await Record.ExceptionAsync(async () => await SayAsync(session, "too late")));
            Assert.Null(await session.ReceiveAsync(stop));
        }, idle: TimeSpan.FromMilliseconds(100));
        await server.StartAsync().InTime();
        using (DatagramCaller caller = Bound(server, "caller"))
        {
            await caller.SendAsync("x");
        }
        go.SetResult();
        Assert.Contains(Assert.IsType<SystemCallException>(await failure.Task.InTime()).Errno, new[] { Errno.ConnectionRefused, Errno.NoEntry });
        await EndedAsync(server, ConnectionEndReason.Idle);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Handlers_are_classes_too()
    {
        await using var server = new UnixDatagramSessionServer<Echo>(_folder.Address("server"), Concurrency.EventLoop());
        await server.StartAsync().InTime();
        using DatagramCaller caller = Bound(server, "caller");
        Assert.Equal("hello", await AskAsync(caller, "hello"));
    }

    [Fact]
    public void What_has_no_meaning_on_a_unix_socket_is_refused()
    {
        Assert.Contains("DatagramSessionOptions.SessionsPerAddress is 5", Assert.Throws<ArgumentException>(() =>
            new UnixDatagramSessionServer("unix:/x", CountAsync, options: Options(new() { SessionsPerAddress = 5 }))).Message, StringComparison.Ordinal);
        Assert.Contains("or use UdpSessionServer", Assert.Throws<ArgumentException>(() => new UnixDatagramSessionServer("127.0.0.1:0", CountAsync)).Message, StringComparison.Ordinal);
        Assert.Contains("Choose Concurrency.EventLoop", Assert.Throws<ArgumentException>(() => new UnixDatagramSessionServer("unix:/x", CountAsync, Concurrency.Sequential())).Message, StringComparison.Ordinal);
    }

    private UnixDatagramSessionServer Serve(Model model, Func<DatagramSession, CancellationToken, Task> handler, RecordingLog? log = null, TimeSpan? idle = null) =>
        new(_folder.Address("server"), handler, model.Make(), Options(idle is { } time ? new() { Idle = time } : null, log));

    private DatagramCaller Bound(SocketServer server, string name) => new(server, _folder.File(name));

    private sealed class Echo : DatagramSessionHandler
    {
        protected override async Task HandleAsync(CancellationToken stop)
        {
            await foreach (Datagram datagram in Session.ReceiveAllAsync(stop))
            {
                await Session.SendAsync(datagram.Data, stop);
            }
        }
    }
}
