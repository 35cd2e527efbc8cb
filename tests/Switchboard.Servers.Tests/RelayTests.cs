using System.Net;
using System.Net.Sockets;

namespace Switchboard.Servers.Tests;

/// <summary>A handler that connects onwards and relays: a gateway.</summary>
public sealed class RelayTests
{
    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Bytes_go_both_ways_at_once_and_come_whole(Model model)
    {
        await using var gateway = await Gateway.StartAsync(model);
        (Caller caller, Socket server) = await gateway.CallAsync();
        byte[] there = Sizes.Pattern(4 * 1024 * 1024, 1);
        byte[] back = Sizes.Pattern(3 * 1024 * 1024, 2);
        Task sending = Task.WhenAll(SendAsync(caller.Socket, there), SendAsync(server, back));
        Task<byte[]> atServer = ReadToEndAsync(server);
        Task<byte[]> atCaller = caller.ReadToEndAsync();
        await sending.InTime();
        Assert.Equal(there, await atServer.InTime());
        Assert.Equal(back, await atCaller.InTime());
        Assert.Equal(ConnectionEndReason.PeerClosed, (await gateway.EndAsync()).Reason);
        caller.Dispose();
        server.Dispose();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task An_end_of_one_direction_leaves_the_other_open(Model model)
    {
        await using var gateway = await Gateway.StartAsync(model);
        (Caller caller, Socket server) = await gateway.CallAsync();
        await caller.SendAsync("the question");
        caller.CloseOutput();
        Assert.Equal("the question"u8.ToArray(), await ReadToEndAsync(server).InTime());
        await SendAsync(server, "the answer"u8.ToArray());
        Assert.Equal("the answer", await caller.ReadTextToEndAsync());
        caller.Dispose();
        server.Dispose();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_side_that_takes_nothing_holds_the_other_up_and_no_memory_grows(Model model)
    {
        await using var gateway = await Gateway.StartAsync(model);
        (Caller caller, Socket server) = await gateway.CallAsync();
        // What the kernel holds on both legs, and the one buffer in between, is far less than this.
        byte[] much = Sizes.Pattern(32 * 1024 * 1024);
        Task sending = SendAsync(caller.Socket, much);
        await Deadline.UntilAsync(() => gateway.Waits, "the gateway waits for the side that reads nothing");
        Assert.False(sending.IsCompleted);
        Assert.Equal(much, await ReadToEndAsync(server).InTime());
        await sending.InTime();
        caller.Dispose();
        server.Dispose();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_reset_of_one_side_ends_the_other(Model model)
    {
        await using var gateway = await Gateway.StartAsync(model);
        (Caller caller, Socket server) = await gateway.CallAsync();
        await caller.SendAsync("x");
        Assert.Equal(1, await server.ReceiveAsync(new byte[1]).InTime());
        caller.Reset();
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            Assert.NotEqual(0, await server.ReceiveAsync(new byte[1]).InTime());
        });
        Assert.Equal(ConnectionEndReason.Reset, (await gateway.EndAsync()).Reason);
        server.Dispose();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_stop_ends_a_relay_in_both_directions(Model model)
    {
        await using var gateway = await Gateway.StartAsync(model);
        (Caller caller, Socket server) = await gateway.CallAsync();
        await caller.SendAsync("x");
        Assert.Equal(1, await server.ReceiveAsync(new byte[1]).InTime());
        await gateway.Server.StopAsync(TimeSpan.FromMinutes(1)).InTime();
        Assert.Equal(0, await server.ReceiveAsync(new byte[1]).InTime());
        Assert.Equal("", await caller.ReadTextToEndAsync());
        Assert.Equal(ConnectionEndReason.Stopped, (await gateway.EndAsync()).Reason);
        caller.Dispose();
        server.Dispose();
    }

    private static async Task SendAsync(Socket socket, byte[] bytes)
    {
        for (ReadOnlyMemory<byte> left = bytes; !left.IsEmpty;)
        {
            left = left[await socket.SendAsync(left)..];
        }
        socket.Shutdown(SocketShutdown.Send);
    }

    private static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        using var all = new MemoryStream();
        var piece = new byte[64 * 1024];
        for (int read; (read = await socket.ReceiveAsync(piece)) > 0;)
        {
            all.Write(piece, 0, read);
        }
        return all.ToArray();
    }

    private sealed class Gateway : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly EndRecorder _ends = new();
        private Connection? _onward;
        private long _sent;

        internal required TcpServer Server { get; init; }

        /// <summary>True if nothing was sent onwards since it was asked last, though something was before.</summary>
        internal bool Waits
        {
            get
            {
                long before = _sent;
                _sent = Volatile.Read(ref _onward)?.Sent ?? 0;
                return _sent > 0 && _sent == before;
            }
        }

        internal static async Task<Gateway> StartAsync(Model model)
        {
            Gateway? gateway = null;
            gateway = new Gateway
            {
                Server = new TcpServer("127.0.0.1:0", async (caller, stop) =>
                {
                    await using Connection onward = await Connection.ConnectAsync(gateway!._listener.LocalEndpoint, cancellation: stop);
                    Volatile.Write(ref gateway._onward, onward);
                    await caller.RelayAsync(onward, stop);
                }, model.Make()),
            };
            gateway._listener.Start();
            gateway.Server.ConnectionEnded += gateway._ends.Add;
            await gateway.Server.StartAsync().InTime();
            return gateway;
        }

        internal async Task<(Caller Caller, Socket Server)> CallAsync() =>
            (await Caller.ConnectAsync(Server), await _listener.AcceptSocketAsync().InTime());

        internal async Task<ConnectionEnd> EndAsync() => (await _ends.NextAsync()).End;

        public async ValueTask DisposeAsync()
        {
            await Server.StopAsync(TimeSpan.Zero).InTime();
            _listener.Dispose();
        }
    }
}
