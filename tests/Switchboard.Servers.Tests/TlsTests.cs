using System.Security.Authentication;
using System.Text;

namespace Switchboard.Servers.Tests;

/// <summary>A connection over TLS keeps the promises of one in clear, under every model.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly Certificates _certificates = new();

    public static TheoryData<Model> All => Models.All;

    public void Dispose() => _certificates.Dispose();

    private OneCall<T> Serve<T>(Model model, Func<Connection, CancellationToken, Task<T>> handle, TlsOptions? options = null, ConnectionLimits? limits = null) =>
        new(model.Make(), handle, new ServerOptions { Tls = options ?? _certificates.Options("localhost"), Limits = limits ?? ConnectionLimits.Default });

    private async Task<TlsCaller> CallAsync<T>(OneCall<T> call, int? receiveBuffer = null)
    {
        await call.Server.StartAsync().InTime();
        return await TlsCaller.ConnectAsync(call.Server, _certificates, receiveBuffer: receiveBuffer);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task Lines_go_both_ways_on_the_calls_own_thread_and_the_end_is_that_of_TLS(Model model)
    {
        await using var call = Serve(model, async (connection, stop) =>
        {
            var threads = new HashSet<int> { Environment.CurrentManagedThreadId };
            await foreach (ReadOnlyMemory<byte> line in connection.ReadMessagesAsync(Framing.Line, stop))
            {
                threads.Add(Environment.CurrentManagedThreadId);
                await connection.WriteAsync((byte[])[.. line.Span, (byte)'\n'], stop);
                threads.Add(Environment.CurrentManagedThreadId);
            }
            return (threads.Count, connection.Tls!.IsTruncated, connection.Tls.Protocol, connection.Tls.ServerName);
        });
        using TlsCaller caller = await CallAsync(call);
        foreach (string text in (string[])["one\n", "two\nthree\n", "four\n"])
        {
            await caller.SendAsync(text);
            await caller.ExpectAsync(text);
        }
        await caller.Stream.ShutdownAsync();
        Assert.Empty(await caller.ReadToEndAsync());
        (int threads, bool truncated, SslProtocols protocol, string? name) = await call.Result;
        Assert.True(threads == 1 || model == Model.Tasks, $"{threads} threads served the call.");
        Assert.False(truncated);
        Assert.Equal((SslProtocols.Tls13, "localhost"), (protocol, name));
        Assert.Equal(ConnectionEndReason.PeerClosed, (await call.End).Reason);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task Concurrent_writes_and_copies_go_out_whole_and_in_the_order_of_the_calls(Model model)
    {
        byte[][] messages = [.. Enumerable.Range(0, 8).Select(seed => Sizes.Pattern(200_000 * seed + 1, seed))];
        await using var call = Serve(model, async (connection, stop) =>
        {
            Task[] writes = [.. messages.Select(message => connection.WriteAsync(message, stop).AsTask())];
            Assert.True(connection.TrySend("copied"u8));
            await Task.WhenAll(writes);
            return true;
        });
        using TlsCaller caller = await CallAsync(call, receiveBuffer: 16 * 1024);
        byte[] expected = [.. messages.SelectMany(message => message), .. "copied"u8];
        Assert.Equal(expected, await caller.ReadToEndAsync());
        Assert.True(await call.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task No_byte_is_lost_when_reads_are_cancelled(Model model)
    {
        byte[] sent = Sizes.Pattern(20_000);
        await using var call = Serve(model, async (connection, _) =>
        {
            var all = new MemoryStream();
            var buffer = new byte[701];
            while (all.Length < sent.Length)
            {
                using var source = new CancellationTokenSource();
                ValueTask<int> read = connection.ReadAsync(buffer, source.Token);
                Task cancel = Task.Run(source.Cancel);
                try
                {
                    all.Write(buffer, 0, await read);
                }
                catch (OperationCanceledException exception)
                {
                    Assert.Equal(source.Token, exception.CancellationToken);
                }
                await cancel;
            }
            return all.ToArray();
        });
        using TlsCaller caller = await CallAsync(call);
        for (int i = 0; i < sent.Length; i += 1000)
        {
            await caller.SendAsync(sent.AsMemory(i, 1000));
            await Task.Yield();
        }
        Assert.Equal(sent, await call.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task A_stop_ends_a_read_and_the_peer_reads_the_end_of_TLS(Model model)
    {
        var reading = new TaskCompletionSource();
        await using var call = Serve(model, async (connection, stop) =>
        {
            ValueTask<int> read = connection.ReadAsync(new byte[16], stop);
            reading.SetResult();
            return await read;
        });
        using TlsCaller caller = await CallAsync(call);
        await reading.Task.InTime();
        await call.Server.StopAsync(Deadline.Time).InTime();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.Result);
        Assert.Equal(ConnectionEndReason.Stopped, (await call.End).Reason);
        Assert.Empty(await caller.ReadToEndAsync());
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task An_end_without_that_of_TLS_is_told_apart(Model model)
    {
        await using var call = Serve(model, async (connection, stop) =>
        {
            int count = await connection.ReadAsync(new byte[16], stop);
            return (count, await connection.ReadAsync(new byte[16], stop), connection.Tls!.IsTruncated);
        });
        using TlsCaller caller = await CallAsync(call);
        await caller.SendAsync("x");
        caller.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        Assert.Equal((1, 0, true), await call.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task Nonsense_and_half_a_handshake_fail_with_a_reason_and_the_others_are_served(Model model)
    {
        var ends = new EndRecorder();
        await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) => await connection.WriteAsync("hello"u8.ToArray(), stop), model.Make(), new ServerOptions
        {
            Tls = _certificates.Options("localhost"),
            LoggerFactory = new RecordingLog(),
            Limits = new ConnectionLimits { Handshake = TimeSpan.FromMilliseconds(300) },
        });
        server.ConnectionEnded += ends.Add;
        await server.StartAsync().InTime();
        using (Caller nonsense = await Caller.ConnectAsync(server))
        {
            await nonsense.SendAsync("GET / HTTP/1.0\r\n\r\n");
            Assert.Equal(ConnectionEndReason.HandshakeFailed, (await ends.NextAsync()).End.Reason);
        }
        using (Caller half = await Caller.ConnectAsync(server))
        {
            await half.SendAsync(new byte[] { 22, 3, 1, 2, 0, 1, 0 });
            half.CloseOutput();
            Assert.Equal(ConnectionEndReason.HandshakeFailed, (await ends.NextAsync()).End.Reason);
        }
        using (Caller silent = await Caller.ConnectAsync(server))
        {
            Assert.Equal(ConnectionEndReason.HandshakeFailed, (await ends.NextAsync()).End.Reason);
        }
        using TlsCaller caller = await TlsCaller.ConnectAsync(server, _certificates);
        await caller.ExpectAsync("hello");
        Assert.Empty(await caller.ReadToEndAsync());
        Assert.Equal(ConnectionEndReason.HandlerReturned, (await ends.NextAsync()).End.Reason);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_blocking_handler_reads_and_writes_over_TLS()
    {
        await using var server = new TcpServer("127.0.0.1:0", (Func<BlockingRequestHandler>)(() => new BlockingEcho()), options: new ServerOptions { Tls = _certificates.Options("localhost"), LoggerFactory = new RecordingLog() });
        await server.StartAsync().InTime();
        using TlsCaller caller = await TlsCaller.ConnectAsync(server, _certificates);
        await caller.SendAsync("one\ntwo\n");
        await caller.ExpectAsync("one\ntwo\n");
        await server.StopAsync(Deadline.Time).InTime();
        Assert.Empty(await caller.ReadToEndAsync());
    }

    private sealed class BlockingEcho : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop)
        {
            foreach (ReadOnlyMemory<byte> line in Connection.ReadMessages(Framing.Line))
            {
                Connection.Write([.. line.Span, (byte)'\n']);
            }
        }
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task A_call_goes_over_to_TLS_in_the_middle(Model model)
    {
        TlsOptions tls = _certificates.Options("localhost");
        await using var call = new OneCall<string>(model.Make(), async (connection, stop) =>
        {
            await connection.ReadMessageAsync(Framing.Line, stop);
            await connection.WriteAsync("ready\n"u8.ToArray(), stop);
            await connection.StartTlsAsync(tls, stop);
            await connection.WriteAsync("secret"u8.ToArray(), stop);
            return Encoding.UTF8.GetString((await connection.ReadMessageAsync(Framing.Line, stop))!.Value.Span);
        });
        Caller plain = await call.CallAsync();
        await plain.SendAsync("STARTTLS\n");
        await plain.ExpectAsync("ready\n");
        using TlsCaller caller = await TlsCaller.OverAsync(plain, _certificates);
        await caller.ExpectAsync("secret");
        await caller.SendAsync("and back\n");
        Assert.Equal("and back", await call.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task What_was_slipped_in_before_TLS_is_never_taken_for_encrypted(Model model)
    {
        TlsOptions tls = _certificates.Options("localhost");
        await using var call = new OneCall<bool>(model.Make(), async (connection, stop) =>
        {
            await connection.ReadMessageAsync(Framing.Line, stop);
            await connection.StartTlsAsync(tls, stop);
            return true;
        });
        using Caller plain = await call.CallAsync();
        await plain.SendAsync("STARTTLS\nDELETE ALL\n");
        await Assert.ThrowsAsync<ConnectionEndedException>(() => call.Result);
        Assert.Equal(ConnectionEndReason.HandshakeFailed, (await call.End).Reason);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task This_programs_own_connections_speak_TLS_too(Model model)
    {
        await using var call = Serve(model, async (connection, stop) =>
        {
            ReadOnlyMemory<byte> line = (await connection.ReadMessageAsync(Framing.Line, stop))!.Value;
            await connection.WriteAsync(line, stop);
            return connection.Tls!.ApplicationProtocol;
        }, _certificates.Options("localhost") with { ApplicationProtocols = ["a/2", "a/1"] });
        await call.Server.StartAsync().InTime();
        var options = new ClientOptions { Tls = new TlsClientOptions { TargetHost = "localhost", TrustedAuthorities = _certificates.Trusted, ApplicationProtocols = ["a/1"] } };
        await using Connection connection = await Connection.ConnectAsync(new ServerAddress(call.Server.LocalEndPoint!), options).InTime();
        await connection.WriteAsync("to and fro\n"u8.ToArray()).InTime();
        Assert.Equal("to and fro", Encoding.UTF8.GetString((await connection.ReadMessageAsync(Framing.Packet).InTime())!.Value.Span));
        Assert.Equal("a/1", await call.Result);
        Assert.Equal("a/1", connection.Tls!.ApplicationProtocol);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("localhost", true)]
    [InlineData("127.0.0.1", false)]
    public async Task The_host_as_it_is_written_must_stand_in_the_servers_certificate(string host, bool stands)
    {
        await using var call = Serve(Model.OneLoop, (connection, _) => Task.FromResult(connection.Tls!.ServerName));
        await call.Server.StartAsync().InTime();
        var options = new ClientOptions { Tls = new TlsClientOptions { TrustedAuthorities = _certificates.Trusted } };
        Task<Connection> connecting = Connection.ConnectAsync($"{host}:{((System.Net.IPEndPoint)call.Server.LocalEndPoint!).Port}", options).InTime();
        if (!stands)
        {
            var error = await Assert.ThrowsAsync<ConnectFailedException>(() => connecting);
            Assert.Contains("RemoteCertificateNameMismatch", error.Message, StringComparison.Ordinal);
            return;
        }
        await using Connection connection = await connecting;
        Assert.Equal(host, await call.Result);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_client_refuses_a_server_that_it_does_not_trust()
    {
        await using var call = Serve(Model.OneLoop, (_, _) => Task.FromResult(true));
        await call.Server.StartAsync().InTime();
        var options = new ClientOptions { Tls = new TlsClientOptions { TargetHost = "other.example", TrustedAuthorities = _certificates.Trusted } };
        var error = await Assert.ThrowsAsync<ConnectFailedException>(() => Connection.ConnectAsync(new ServerAddress(call.Server.LocalEndPoint!), options).InTime());
        Assert.Contains("RemoteCertificateNameMismatch", error.Message, StringComparison.Ordinal);
        Assert.Equal(ConnectionEndReason.HandshakeFailed, Assert.IsType<ConnectionEndedException>(error.InnerException).Reason);
    }
}
