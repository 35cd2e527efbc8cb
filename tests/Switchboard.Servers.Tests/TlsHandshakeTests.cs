using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.ExceptionServices;
using System.Security.Authentication;
using System.Text;

namespace Switchboard.Servers.Tests;

/// <summary>What a program learns of a handshake that fails or takes long, and what it may do meanwhile.</summary>
public sealed class TlsHandshakeTests : IDisposable
{
    private readonly Certificates _certificates = new();

    public static TheoryData<Model> All => Models.All;

    public void Dispose() => _certificates.Dispose();

    private ClientOptions Client => new() { Tls = Wishes };

    private TlsClientOptions Wishes => new() { TargetHost = "localhost", TrustedAuthorities = _certificates.Trusted };

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_server_that_never_shakes_hands_has_connecting_fail_in_time(bool byConnectTimeout)
    {
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        silent.Listen();
        TimeSpan limit = TimeSpan.FromMilliseconds(200);
        ClientOptions options = byConnectTimeout ? Client with { ConnectTimeout = limit } : Client with { Limits = new ConnectionLimits { Handshake = limit } };
        long began = System.Diagnostics.Stopwatch.GetTimestamp();
        var error = await Assert.ThrowsAsync<ConnectFailedException>(() => Connection.ConnectAsync(new ServerAddress(silent.LocalEndPoint!), options).InTime());
        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(began) >= limit, "It ended before its time.");
        Assert.Contains(byConnectTimeout ? "ClientOptions.ConnectTimeout" : "ConnectionLimits.Handshake", error.Message, StringComparison.Ordinal);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task Who_can_not_agree_learns_the_alert_of_the_other(Model model)
    {
        await using var call = new OneCall<bool>(model.Make(), (_, _) => Task.FromResult(true), new ServerOptions { Tls = _certificates.Options("localhost") with { Protocols = SslProtocols.Tls13 } });
        await call.Server.StartAsync().InTime();
        var error = await Assert.ThrowsAsync<ConnectFailedException>(() => Connection.ConnectAsync(new ServerAddress(call.Server.LocalEndPoint!), new ClientOptions { Tls = Wishes with { Protocols = SslProtocols.Tls12 } }).InTime());
        Assert.True(error.Message.Contains("alert protocol version", StringComparison.Ordinal), error.Message);
        Assert.Equal(ConnectionEndReason.HandshakeFailed, (await call.End).Reason);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_client_that_shows_no_certificate_learns_of_its_refusal_by_an_end_that_is_not_that_of_TLS()
    {
        await using var call = new OneCall<bool>(Concurrency.EventLoop(), (_, _) => Task.FromResult(true), new ServerOptions { Tls = _certificates.Options("localhost") with { ClientCertificates = ClientCertificates.Required } });
        await call.Server.StartAsync().InTime();
        // With TLS 1.3 a client is done before the server has looked at what it shows.
        await using Connection connection = await Connection.ConnectAsync(new ServerAddress(call.Server.LocalEndPoint!), Client).InTime();
        Assert.Equal(0, await connection.ReadAsync(new byte[16]).InTime());
        Assert.True(connection.Tls!.IsTruncated);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task What_another_thread_writes_during_the_handshake_waits_for_it(Model model)
    {
        var shaking = new TaskCompletionSource<Connection>(TaskCreationOptions.RunContinuationsAsynchronously);
        TlsOptions tls = _certificates.Options("localhost");
        await using var call = new OneCall<string>(model.Make(), async (connection, stop) =>
        {
            await connection.WriteAsync("ready\n"u8.ToArray(), stop);
            Task secured = connection.StartTlsAsync(tls, stop);
            shaking.SetResult(connection);
            await secured;
            return Encoding.UTF8.GetString((await connection.ReadMessageAsync(Framing.Line, stop))!.Value.Span);
        });
        using Caller plain = await call.CallAsync();
        await plain.ExpectAsync("ready\n");
        Connection served = await shaking.Task.InTime();
        Task write = Task.Run(async () => await served.WriteAsync("early"u8.ToArray()), TestContext.Current.CancellationToken);
        Assert.False(served.TrySend("copied"u8));
        Assert.Null(served.Tls);
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => Task.Run(async () => await served.ReadAsync(new byte[16])));
        Assert.Contains("StartTlsAsync", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidOperationException>(() => Task.Run(() => served.StartTlsAsync(tls)));
        Assert.False(write.IsCompleted);
        using TlsCaller caller = await TlsCaller.OverAsync(plain, _certificates);
        await write.InTime();
        await caller.ExpectAsync("early");
        await caller.SendAsync("thanks\n");
        Assert.Equal("thanks", await call.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task What_waits_for_a_handshake_fails_with_it_and_never_goes_out_in_clear(Model model)
    {
        var shaking = new TaskCompletionSource<Connection>(TaskCreationOptions.RunContinuationsAsynchronously);
        TlsOptions tls = _certificates.Options("localhost");
        await using var call = new OneCall<bool>(model.Make(), async (connection, stop) =>
        {
            Task secured = connection.StartTlsAsync(tls, stop);
            shaking.SetResult(connection);
            await Assert.ThrowsAsync<ConnectionEndedException>(() => secured);
            return true;
        });
        using Caller plain = await call.CallAsync();
        Connection served = await shaking.Task.InTime();
        Task write = Task.Run(async () => await served.WriteAsync("secret"u8.ToArray()), TestContext.Current.CancellationToken);
        await plain.SendAsync("this is no TLS");
        Assert.DoesNotContain("secret", Encoding.Latin1.GetString(await plain.ReadToEndAsync()), StringComparison.Ordinal);
        var error = await Assert.ThrowsAsync<ConnectionEndedException>(() => write.InTime());
        Assert.Equal(ConnectionEndReason.HandshakeFailed, error.Reason);
        Assert.True(await call.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task A_pending_read_refuses_the_upgrade_and_stays_good(Model model)
    {
        TlsOptions tls = _certificates.Options("localhost");
        await using var call = new OneCall<int>(model.Make(), async (connection, stop) =>
        {
            Task<int> read = connection.ReadAsync(new byte[16], stop).AsTask();
            var error = await Assert.ThrowsAsync<InvalidOperationException>(() => connection.StartTlsAsync(tls, stop));
            Assert.Contains("A read is pending", error.Message, StringComparison.Ordinal);
            await connection.WriteAsync("go"u8.ToArray(), stop);
            return await read;
        });
        using Caller caller = await call.CallAsync();
        await caller.ExpectAsync("go");
        await caller.SendAsync("still");
        Assert.Equal(5, await call.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task The_upgrade_of_a_connection_that_has_ended_fails_and_so_does_what_comes_later(Model model)
    {
        TlsOptions tls = _certificates.Options("localhost");
        await using var call = new OneCall<bool>(model.Make(), async (connection, stop) =>
        {
            connection.Abort();
            await Assert.ThrowsAsync<ConnectionEndedException>(() => connection.StartTlsAsync(tls, stop));
            var error = await Assert.ThrowsAsync<ConnectionEndedException>(() => connection.WriteAsync("late"u8.ToArray(), stop).AsTask());
            Assert.Equal(ConnectionEndReason.Aborted, error.Reason);
            return true;
        });
        using Caller caller = await call.CallAsync();
        Assert.True(await call.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads)]
    [InlineData(Model.Sequential)]
    public async Task A_blocking_handler_and_a_blocking_client_go_over_to_TLS(Model model)
    {
        await using var server = new TcpServer("127.0.0.1:0", (Func<BlockingRequestHandler>)(() => new BlockingUpgrade(_certificates.Options("localhost"))), model.Make(), new ServerOptions { LoggerFactory = new RecordingLog() });
        await server.StartAsync().InTime();
        string answer = await Task.Run(() =>
        {
            using Connection connection = Connection.Connect(new ServerAddress(server.LocalEndPoint!));
            connection.Write("STARTTLS\n"u8);
            Assert.Equal("ready", Encoding.UTF8.GetString(connection.ReadMessage(Framing.Line)!.Value.Span));
            connection.StartTls(Wishes);
            connection.Write("over TLS\n"u8);
            return Encoding.UTF8.GetString(connection.ReadMessage(Framing.Line)!.Value.Span);
        }, TestContext.Current.CancellationToken).InTime();
        Assert.Equal("over TLS Tls13", answer);
    }

    private sealed class BlockingUpgrade(TlsOptions tls) : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop)
        {
            Assert.NotNull(Connection.ReadMessage(Framing.Line));
            Connection.Write("ready\n"u8);
            Connection.StartTls(tls);
            string line = Encoding.UTF8.GetString(Connection.ReadMessage(Framing.Line)!.Value.Span);
            Connection.Write(Encoding.UTF8.GetBytes($"{line} {Connection.Tls!.Protocol}\n"));
        }
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Together))]
    public async Task A_blocking_upgrade_is_refused_where_it_would_hold_up_others(Model model)
    {
        TlsOptions tls = _certificates.Options("localhost");
        await using var call = new OneCall<bool>(model.Make(), async (connection, stop) =>
        {
            Assert.Throws<InvalidOperationException>(() => connection.StartTls(tls));
            // Nothing has begun.
            await connection.WriteAsync("in clear"u8.ToArray(), stop);
            return true;
        });
        using Caller caller = await call.CallAsync();
        await caller.ExpectAsync("in clear");
        Assert.True(await call.Result);
    }

    public static TheoryData<Model> Together => Models.Together;

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Connecting_with_TLS_may_block_a_thread_whose_context_waits_for_it()
    {
        await using var call = new OneCall<bool>(Concurrency.EventLoop(), async (connection, stop) =>
        {
            await connection.WriteAsync("hello"u8.ToArray(), stop);
            return await connection.ReadAsync(new byte[16], stop) == 0;
        }, new ServerOptions { Tls = _certificates.Options("localhost") });
        await call.Server.StartAsync().InTime();
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            // As that of a window: what is posted to it would run when this thread is free.
            SynchronizationContext.SetSynchronizationContext(new BusyContext());
            try
            {
                using Connection connection = Connection.Connect(new ServerAddress(call.Server.LocalEndPoint!), Client);
                var buffer = new byte[5];
                Assert.Equal(5, connection.Read(buffer));
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        })
        { IsBackground = true };
        thread.Start();
        Deadline.Join(thread);
        if (failure is not null)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
        Assert.True(await call.Result);
    }

    private sealed class BusyContext : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
        }
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task A_PROXY_header_and_the_clients_first_words_may_come_in_one_packet(Model model)
    {
        await using var call = new OneCall<(string?, string?)>(model.Make(), async (connection, stop) =>
        {
            await connection.WriteAsync("hello"u8.ToArray(), stop);
            return ($"{connection.RemoteEndPoint}", connection.Tls!.ServerName);
        }, new ServerOptions
        {
            Tls = _certificates.Options("localhost"),
            ProxyProtocol = ProxyProtocolOptions.From("127.0.0.0/8"),
        });
        using Caller caller = await call.CallAsync();
        ReadOnlyMemory<byte> header = "PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n"u8.ToArray();
        await using var stream = new SslStream(new ChangingStream(new NetworkStream(caller.Socket), written =>
        {
            byte[] both = [.. header.Span, .. written.Span];
            header = default;
            return both;
        }), leaveInnerStreamOpen: true);
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", CertificateChainPolicy = TlsTrust.ToPolicy(_certificates.Trusted) }, TestContext.Current.CancellationToken).InTime();
        var buffer = new byte[5];
        await stream.ReadExactlyAsync(buffer, TestContext.Current.CancellationToken).InTime();
        Assert.Equal(("192.0.2.1:1000", "localhost"), await call.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task Nothing_goes_out_in_clear_while_the_PROXY_header_is_awaited(Model model)
    {
        await using var server = new TcpServer("127.0.0.1:0", (_, _) => Task.CompletedTask, model.Make(), new ServerOptions
        {
            Tls = _certificates.Options("localhost"),
            ProxyProtocol = ProxyProtocolOptions.From("127.0.0.0/8"),
            LoggerFactory = new RecordingLog(),
        });
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        await Deadline.UntilAsync(() => server.Connections.FirstOrDefault()?.Transport is TlsTransport, "the call has begun");
        Connection served = server.Connections.First();
        Task write = Task.Run(async () => await served.WriteAsync("secret"u8.ToArray()), TestContext.Current.CancellationToken);
        Assert.False(served.TrySend("secret"u8));
        await caller.SendAsync("NONSENSE\r\n");
        Assert.Empty(await caller.ReadToEndAsync());
        await Assert.ThrowsAsync<ConnectionEndedException>(() => write.InTime());
    }

    [Fact]
    public void A_server_of_datagrams_refuses_TLS_and_the_PROXY_protocol()
    {
        var tls = new ServerOptions { Tls = _certificates.Options("localhost") };
        var proxy = new ServerOptions { ProxyProtocol = ProxyProtocolOptions.From("127.0.0.0/8") };
        Assert.Contains("ServerOptions.Tls", Assert.Throws<ArgumentException>(() => new UdpServer("127.0.0.1:0", (_, _) => Task.CompletedTask, options: tls)).Message, StringComparison.Ordinal);
        Assert.Contains("ServerOptions.ProxyProtocol", Assert.Throws<ArgumentException>(() => new UnixDatagramServer("unix:/nowhere", (_, _) => Task.CompletedTask, options: proxy)).Message, StringComparison.Ordinal);
    }
}
