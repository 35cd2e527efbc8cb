using System.Net.Sockets;
using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;

namespace Switchboard.Servers.Tests;

/// <summary>Datagrams stay whole and go back to whom they belong, whatever their sizes and however many senders there are;
/// and a flood of them harms nobody else.</summary>
public sealed class DatagramPropertyTests
{
    private const int Longest = 65_507;
    private const int Peers = 4;

    public static TheoryData<Model> All => Models.All;

    private static ServerOptions Quiet => new() { LoggerFactory = NullLoggerFactory.Instance, Datagrams = new() { ReceiveBuffer = 4 * 1024 * 1024 } };

    private static readonly Gen<int> _size = Gen.Frequency((1, Gen.Const(0)), (4, Gen.Int[1, 2_000]), (1, Gen.Int[2_000, Longest]), (1, Gen.Const(Longest)));

    [Theory(Timeout = 4 * Deadline.Milliseconds), MemberData(nameof(All))]
    public async Task Any_datagrams_come_back_whole_to_whom_they_belong(Model model)
    {
        await using var server = new UdpServer("127.0.0.1:0", (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask(), model.Make(), Quiet);
        await server.StartAsync().InTime();
        Socket[] peers = [.. Enumerable.Range(0, Peers).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp))];
        foreach (Socket peer in peers)
        {
            await peer.ConnectAsync(server.LocalEndPoint!);
        }
        // Not more at once than the smallest buffer holds: loss is not what this is about.
        await Gen.Select(Gen.Int[0, Peers - 1], _size).Array[0, 3].SampleAsync(async sends =>
        {
            List<byte[]>[] awaited = [.. peers.Select(_ => new List<byte[]>())];
            foreach ((int peer, int size) in sends)
            {
                byte[] bytes = new byte[size];
                Array.Fill(bytes, (byte)(peer + 1));
                awaited[peer].Add(bytes);
                Assert.Equal(size, await peers[peer].SendAsync(bytes.AsMemory()).InTime());
            }
            for (int peer = 0; peer < Peers; peer++)
            {
                // Handlers run side by side, so answers may overtake each other.
                var came = new List<byte[]>();
                var buffer = new byte[65_536];
                while (came.Count < awaited[peer].Count)
                {
                    int count = await peers[peer].ReceiveAsync(buffer.AsMemory()).InTime();
                    came.Add(buffer[..count]);
                }
                Assert.Equal(awaited[peer].Select(bytes => bytes.Length).Order(), came.Select(bytes => bytes.Length).Order());
                Assert.All(came, bytes => Assert.All(bytes.Distinct(), value => Assert.Equal(peer + 1, value)));
            }
        }, iter: 60, threads: 1);
        foreach (Socket peer in peers)
        {
            peer.Dispose();
        }
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(All))]
    public async Task A_flood_keeps_neither_a_TCP_server_nor_the_stop_from_their_turn(Model model)
    {
        await using var flooded = new UdpServer("127.0.0.1:0", (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask(), model.Make(), Quiet);
        await using var calm = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            await foreach (ReadOnlyMemory<byte> line in connection.ReadMessagesAsync(Framing.Packet, stop))
            {
                await connection.WriteAsync(line, stop);
            }
        }, model.Make(), Quiet);
        await flooded.StartAsync().InTime();
        await calm.StartAsync().InTime();
        using var end = new CancellationTokenSource();
        Task flood = Task.Run(() =>
        {
            using var sender = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            for (int i = 0; i < 200_000 && !end.IsCancellationRequested; i++)
            {
                sender.SendTo(new byte[64], flooded.LocalEndPoint!);
            }
        });
        await Deadline.UntilAsync(() => flooded.Statistics.Accepted > 100, "the flood came");
        using Caller caller = await Caller.ConnectAsync(calm);
        for (int i = 0; i < 20; i++)
        {
            await caller.SendAsync("ping");
            await caller.ExpectAsync("ping");
        }
        await flooded.StopAsync().InTime();
        await end.CancelAsync();
        await flood.InTime();
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(All))]
    public async Task A_port_where_nobody_is_any_more_ends_nothing(Model model)
    {
        await using var server = new UdpServer("127.0.0.1:0", async (datagram, stop) =>
        {
            await datagram.ReplyAsync(datagram.Data, stop);
            await datagram.ReplyAsync(datagram.Data, stop);
        }, model.Make(), Quiet);
        await server.StartAsync().InTime();
        for (int i = 0; i < 20; i++)
        {
            using var gone = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            gone.SendTo("x"u8, server.LocalEndPoint!);
        }
        using var caller = new DatagramCaller(server);
        await caller.SendAsync("still");
        Assert.Equal("still", await caller.ReceiveAsync());
        Assert.False(server.Completion.IsCompleted);
    }
}
