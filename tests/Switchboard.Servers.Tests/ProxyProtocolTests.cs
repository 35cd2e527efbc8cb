using System.Text;
using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

/// <summary>Servers whose callers come through a proxy.</summary>
public sealed class ProxyProtocolTests
{
    private static readonly TimeSpan _short = TimeSpan.FromMilliseconds(50);
    private static readonly byte[] _binary = [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 0xC7, 0x38, 1, 187];

    public static TheoryData<Model, bool> Versions => [.. Enum.GetValues<Model>().SelectMany(model => new[] { (model, false), (model, true) })];

    private static byte[] Header(bool binary) => binary ? _binary : [.. "PROXY TCP4 192.0.2.1 192.0.2.2 51000 443\r\n"u8];

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Versions))]
    public async Task A_handler_sees_the_callers_address_and_what_follows_the_header(Model model, bool binary)
    {
        await using TcpServer server = await StartAsync(model, TellAsync);
        using Caller caller = await Caller.ConnectAsync(server);
        // With the header, cut in the middle of a message.
        await caller.SendAsync((byte[])[.. Header(binary), .. "fir"u8]);
        await caller.SendAsync("st\nsecond\n");
        await caller.ExpectAsync($"192.0.2.1:51000 192.0.2.2:443 {caller.LocalAddress}\nfirst\nsecond\n");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Versions))]
    public async Task A_header_may_come_byte_by_byte(Model model, bool binary)
    {
        await using TcpServer server = await StartAsync(model, TellAsync);
        using Caller caller = await Caller.ConnectAsync(server);
        caller.Socket.NoDelay = true;
        foreach (byte b in Header(binary))
        {
            await caller.SendAsync(new[] { b });
        }
        await caller.SendAsync("x\n");
        await caller.ExpectAsync($"192.0.2.1:51000 192.0.2.2:443 {caller.LocalAddress}\nx\n");
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_handler_that_blocks_reads_what_follows_the_header()
    {
        await using var server = new TcpServer("127.0.0.1:0", (Func<BlockingRequestHandler>)(() => new BlockingEcho()), Concurrency.Threads(), Options());
        await server.StartAsync();
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.SendAsync((byte[])[.. _binary, .. "one"u8]);
        await caller.ExpectAsync("one");
        await caller.SendAsync("two");
        await caller.ExpectAsync("two");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Garbage_in_place_of_a_header_ends_that_caller_only(Model model)
    {
        var ends = new EndRecorder();
        await using TcpServer server = await StartAsync(model, TellAsync, ends: ends);
        foreach (string garbage in new[] { "GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 x y z\r\n", $"PROXY {new string('y', 200)}", "\r\n\r\n\0\r\nQUIT\r" })
        {
            using Caller wrong = await Caller.ConnectAsync(server);
            await wrong.SendAsync(garbage);
            await wrong.WaitForEndAsync();
            Assert.Equal(ConnectionEndReason.HandshakeFailed, (await ends.NextAsync()).End.Reason);
        }
        using Caller right = await Caller.ConnectAsync(server);
        await right.SendAsync(Encoding.ASCII.GetString(Header(false)) + "x\n");
        await right.ExpectAsync($"192.0.2.1:51000 192.0.2.2:443 {right.LocalAddress}\nx\n");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_silent_proxy_is_ended_by_the_limit_of_the_handshake(Model model)
    {
        var ends = new EndRecorder();
        var log = new RecordingLog();
        await using TcpServer server = await StartAsync(model, TellAsync, Options() with { Limits = new() { Handshake = _short }, LoggerFactory = log }, ends);
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.SendAsync("PROXY TCP4");
        await caller.WaitForEndAsync();
        ConnectionEnd end = (await ends.NextAsync()).End;
        Assert.Equal(ConnectionEndReason.HandshakeFailed, end.Reason);
        Assert.True(end.Duration >= _short, $"It ended after {end.Duration}.");
        await log.WaitAsync(record => record.Text.Contains("ConnectionLimits.Handshake", StringComparison.Ordinal));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.Together), MemberType = typeof(Models))]
    public async Task Silent_proxies_hold_nobody_up(Model model)
    {
        await using TcpServer server = await StartAsync(model, TellAsync, Options() with { Limits = new() { Handshake = TimeSpan.FromMinutes(1) } });
        List<Caller> silent = [];
        try
        {
            for (int i = 0; i < Scale.Of(500); i++)
            {
                silent.Add(await Caller.ConnectAsync(server));
            }
            using Caller caller = await Caller.ConnectAsync(server);
            await caller.SendAsync(Encoding.ASCII.GetString(Header(false)) + "x\n");
            await caller.ExpectAsync($"192.0.2.1:51000 192.0.2.2:443 {caller.LocalAddress}\nx\n");
        }
        finally
        {
            silent.ForEach(caller => caller.Dispose());
        }
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_sender_that_is_not_trusted_is_refused_or_served_as_it_is(Model model)
    {
        var ends = new EndRecorder();
        var stranger = new ServerOptions { ProxyProtocol = ProxyProtocolOptions.From("10.0.0.0/8") };
        await using (TcpServer server = await StartAsync(model, TellAsync, stranger, ends))
        {
            using Caller caller = await Caller.ConnectAsync(server);
            await caller.WaitForEndAsync();
            Assert.Equal(ConnectionEndReason.HandshakeFailed, (await ends.NextAsync()).End.Reason);
        }
        await using (TcpServer server = await StartAsync(model, TellAsync, stranger with { ProxyProtocol = stranger.ProxyProtocol with { Untrusted = UntrustedSender.Serve } }))
        {
            using Caller caller = await Caller.ConnectAsync(server);
            await caller.SendAsync(Encoding.ASCII.GetString(Header(false)));
            await caller.ExpectAsync($"{caller.LocalAddress} {server.LocalEndPoint} {caller.LocalAddress}\nPROXY TCP4 192.0.2.1 192.0.2.2 51000 443\n");
        }
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_stop_ends_those_who_still_shake_hands()
    {
        var ends = new EndRecorder();
        await using TcpServer server = await StartAsync(Model.OneLoop, TellAsync, Options() with { Limits = new() { Handshake = Timeout.InfiniteTimeSpan } }, ends);
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.SendAsync("PROXY ");
        using Caller other = await Caller.ConnectAsync(server);
        await other.SendAsync(Encoding.ASCII.GetString(Header(false)) + "x\n");
        await other.ExpectAsync("192.0.2.1:51000");
        await server.StopAsync(TimeSpan.FromSeconds(10)).InTime();
        Assert.Equal(ConnectionEndReason.Stopped, (await ends.NextAsync()).End.Reason);
        Assert.Equal(ConnectionEndReason.Stopped, (await ends.NextAsync()).End.Reason);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.Together), MemberType = typeof(Models))]
    public async Task The_limit_of_an_address_counts_the_caller_and_not_the_proxy(Model model)
    {
        var ends = new EndRecorder();
        await using TcpServer server = await StartAsync(model, TellAsync, Options() with { Callers = new() { ConnectionsPerAddress = 1, LastWord = "full\n"u8.ToArray() } }, ends);
        using Caller first = await Caller.ConnectAsync(server);
        using Caller second = await Caller.ConnectAsync(server);
        await first.SendAsync("PROXY TCP4 192.0.2.1 192.0.2.9 1 1\r\n");
        await first.ExpectAsync($"192.0.2.1:1 192.0.2.9:1 {first.LocalAddress}\n");
        await second.SendAsync("PROXY TCP4 192.0.2.2 192.0.2.9 1 1\r\n");
        await second.ExpectAsync("192.0.2.2:1");
        using (Caller third = await Caller.ConnectAsync(server))
        {
            await third.SendAsync("PROXY TCP4 192.0.2.1 192.0.2.9 2 1\r\n");
            await third.ExpectAsync("full\n");
            Assert.Equal(ConnectionEndReason.Limit, (await ends.NextAsync()).End.Reason);
        }
        first.Dispose();
        Assert.Equal(ConnectionEndReason.PeerClosed, (await ends.NextAsync()).End.Reason);
        using Caller fourth = await Caller.ConnectAsync(server);
        await fourth.SendAsync("PROXY TCP4 192.0.2.1 192.0.2.9 3 1\r\n");
        await fourth.ExpectAsync("192.0.2.1:3");
    }

    [Fact]
    public void Networks_are_read_from_text()
    {
        ProxyProtocolOptions options = ProxyProtocolOptions.From("10.0.0.0/8", "::1", "192.0.2.7");
        Assert.Equal(["10.0.0.0/8", "::1/128", "192.0.2.7/32"], options.Trusted.Select(network => network.ToString()));
        Assert.Contains("'proxy.example'", Assert.Throws<FormatException>(() => ProxyProtocolOptions.From("proxy.example")).Message, StringComparison.Ordinal);
    }

    private static ServerOptions Options() => new() { ProxyProtocol = ProxyProtocolOptions.From("127.0.0.0/8") };

    private static async Task<TcpServer> StartAsync(Model model, Func<Connection, CancellationToken, Task> handle, ServerOptions? options = null, EndRecorder? ends = null)
    {
        var server = new TcpServer("127.0.0.1:0", handle, model.Make(), options ?? Options());
        if (ends is not null)
        {
            server.ConnectionEnded += ends.Add;
        }
        await server.StartAsync();
        return server;
    }

    private static async Task TellAsync(Connection connection, CancellationToken stop)
    {
        await connection.WriteAsync(Encoding.ASCII.GetBytes($"{connection.RemoteEndPoint} {connection.LocalEndPoint} {connection.DirectEndPoint}\n"), stop);
        await foreach (ReadOnlyMemory<byte> line in connection.ReadMessagesAsync(Framing.Line, stop))
        {
            await connection.WriteAsync((byte[])[.. line.Span, (byte)'\n'], stop);
        }
    }

    private sealed class BlockingEcho : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop)
        {
            var buffer = new byte[100];
            int count;
            while ((count = Connection.Read(buffer)) > 0)
            {
                Connection.Write(buffer.AsSpan(0, count));
            }
        }
    }
}
