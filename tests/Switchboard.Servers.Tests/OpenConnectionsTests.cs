using System.Collections.Concurrent;

namespace Switchboard.Servers.Tests;

/// <summary>What a server does about the connections that it serves, from any thread.</summary>
public sealed class OpenConnectionsTests
{
    public static TheoryData<Model> Models => [Model.Threads, Model.OneLoop, Model.ThreeLoops, Model.Tasks];

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models))]
    public async Task A_broadcast_reaches_all_who_are_meant_and_says_how_many_took_it(Model model)
    {
        await using TcpServer server = await ServeAsync(model);
        Assert.Equal(0, server.Broadcast("nobody hears it"u8));
        Caller[] callers = await LineEcho.ConnectAllAsync(server, 20);
        await Task.WhenAll(callers.Select(caller => caller.SayAsync("here")));
        Assert.Equal(20, server.Broadcast("to all\n"u8));
        await Task.WhenAll(callers.Select(caller => caller.ExpectAsync("to all\n")));
        string chosen = callers[7].LocalAddress;
        Assert.Equal(1, server.Broadcast("to one\n"u8, connection => $"{connection.RemoteEndPoint}" == chosen));
        await callers[7].ExpectAsync("to one\n");
        await Task.WhenAll(callers.Select(caller => caller.SayAsync("still here")));
        LineEcho.DisposeAll(callers);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models))]
    public async Task A_peer_that_reads_nothing_misses_broadcasts_and_holds_up_nobody(Model model)
    {
        await using TcpServer server = await ServeAsync(model);
        using Caller deaf = await Caller.ConnectAsync(server, receiveBuffer: 4096);
        await deaf.SayAsync("deaf");
        using Caller other = await Caller.ConnectAsync(server);
        await other.SayAsync("other");
        byte[] news = Sizes.Pattern(16 * 1024);
        int missed = 0;
        // More than the sockets and the limit of what waits take together.
        while (missed < 3)
        {
            int took = server.Broadcast(news);
            Assert.Equal(news, await other.ReadAsync(news.Length));
            missed += 2 - took;
        }
        await other.SayAsync("still here");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models))]
    public async Task A_connection_is_found_by_its_number_and_can_be_ended(Model model)
    {
        var ends = new ConcurrentDictionary<long, ConnectionEndReason>();
        await using TcpServer server = await ServeAsync(model);
        server.ConnectionEnded += (connection, end) => ends[connection.Id] = end.Reason;
        using Caller first = await Caller.ConnectAsync(server);
        await first.SayAsync("first");
        using Caller second = await Caller.ConnectAsync(server);
        await second.SayAsync("second");
        Connection found = Assert.Single(server.Connections, connection => $"{connection.RemoteEndPoint}" == first.LocalAddress);
        Assert.Same(found, server.Find(found.Id));
        Assert.Null(server.Find(long.MaxValue));
        found.Abort();
        Assert.Equal(ConnectionEndReason.Aborted, (await found.Closed.InTime()).Reason);
        await Deadline.UntilAsync(() => server.Find(found.Id) is null && ends.ContainsKey(found.Id), "it is forgotten");
        Assert.Equal(ConnectionEndReason.Aborted, ends[found.Id]);
        await second.SayAsync("still here");
    }

    private static async Task<TcpServer> ServeAsync(Model model)
    {
        var server = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, model.Make());
        await server.StartAsync().InTime();
        return server;
    }
}
