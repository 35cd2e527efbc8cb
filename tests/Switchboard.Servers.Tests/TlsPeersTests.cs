using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Switchboard.Servers.Tests;

/// <summary>TLS with peers that are not .NET, and much of it in both directions.</summary>
public sealed class TlsPeersTests : IDisposable
{
    private readonly Certificates _certificates = new();

    public static TheoryData<Model> All => Models.All;

    public void Dispose() => _certificates.Dispose();

    private async Task<TcpServer> ServeEchoAsync(Model model)
    {
        var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            var buffer = new byte[64 * 1024];
            int count;
            while ((count = await connection.ReadAsync(buffer, stop)) > 0)
            {
                await connection.WriteAsync(buffer.AsMemory(0, count), stop);
            }
            // The peer has ended its direction, and still reads ours.
            await connection.WriteAsync("bye\n"u8.ToArray(), stop);
        }, model.Make(), new ServerOptions { Tls = _certificates.Options("localhost"), LoggerFactory = new RecordingLog() });
        await server.StartAsync().InTime();
        return server;
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task Much_goes_both_ways_at_once_and_one_direction_ends_before_the_other(Model model)
    {
        byte[] sent = Sizes.Pattern(4 * 1024 * 1024);
        await using TcpServer server = await ServeEchoAsync(model);
        using TlsCaller caller = await TlsCaller.ConnectAsync(server, _certificates);
        Task<byte[]> received = caller.ReadAsync(sent.Length);
        await caller.SendAsync(sent);
        Assert.Equal(sent, await received);
        // The base library's stream must not be ended while another thread has it decrypt.
        await caller.Stream.ShutdownAsync().InTime();
        Assert.Equal("bye\n"u8.ToArray(), await caller.ReadToEndAsync());
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task A_message_from_another_thread_reaches_a_peer_whose_call_waits_in_a_read(Model model)
    {
        var serving = new TaskCompletionSource<Connection>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var call = new OneCall<int>(model.Make(), async (connection, stop) =>
        {
            ValueTask<int> read = connection.ReadAsync(new byte[16], stop);
            serving.SetResult(connection);
            return await read;
        }, new ServerOptions { Tls = _certificates.Options("localhost") });
        await call.Server.StartAsync().InTime();
        using TlsCaller caller = await TlsCaller.ConnectAsync(call.Server, _certificates);
        Connection served = await serving.Task.InTime();
        Assert.True(await Task.Run(() => served.TrySend("news\n"u8)));
        await caller.ExpectAsync("news\n");
        await caller.SendAsync("thanks");
        Assert.Equal(6, await call.Result);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task An_abort_from_another_thread_ends_a_read_with_its_reason(Model model)
    {
        var serving = new TaskCompletionSource<Connection>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var call = new OneCall<int>(model.Make(), async (connection, _) =>
        {
            ValueTask<int> read = connection.ReadAsync(new byte[16], CancellationToken.None);
            serving.SetResult(connection);
            return await read;
        }, new ServerOptions { Tls = _certificates.Options("localhost") });
        await call.Server.StartAsync().InTime();
        using TlsCaller caller = await TlsCaller.ConnectAsync(call.Server, _certificates);
        Connection served = await serving.Task.InTime();
        await Task.Run(served.Abort);
        var error = await Assert.ThrowsAsync<ConnectionEndedException>(() => call.Result);
        Assert.Equal(ConnectionEndReason.Aborted, error.Reason);
        Assert.Equal(ConnectionEndReason.Aborted, (await call.End).Reason);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task A_silent_peer_ends_by_the_limits_of_the_connection(Model model)
    {
        await using var call = new OneCall<int>(model.Make(), async (connection, _) =>
        {
            await connection.ReadAsync(new byte[16], CancellationToken.None);
            return await connection.ReadAsync(new byte[16], CancellationToken.None);
        }, new ServerOptions { Tls = _certificates.Options("localhost"), Limits = new ConnectionLimits { Idle = TimeSpan.FromMilliseconds(200) } });
        await call.Server.StartAsync().InTime();
        using TlsCaller caller = await TlsCaller.ConnectAsync(call.Server, _certificates);
        await caller.SendAsync("x");
        var error = await Assert.ThrowsAsync<ConnectionEndedException>(() => call.Result);
        Assert.Equal(ConnectionEndReason.Idle, error.Reason);
        Assert.Equal(ConnectionEndReason.Idle, (await call.End).Reason);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task OpenSSL_is_served(Model model)
    {
        await using TcpServer server = await ServeEchoAsync(model);
        string said = await RunAsync("openssl", "hello\n", "s_client", "-quiet", "-no_ign_eof", "-servername", "localhost", "-verify_return_error", "-verify_hostname", "localhost",
            "-CAfile", WriteAuthority(), "-connect", server.LocalEndPoint!.ToString()!);
        Assert.Contains("hello\n", said, StringComparison.Ordinal);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task Python_is_served(Model model)
    {
        const string program = """
            import socket, ssl, sys
            context = ssl.create_default_context(cafile=sys.argv[1])
            with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as plain:
                with context.wrap_socket(plain, server_hostname="localhost") as caller:
                    sent = bytes(range(256)) * 400
                    caller.sendall(sent)
                    received = b""
                    while len(received) < len(sent):
                        received += caller.recv(65536)
                    print(received == sent, caller.version())
                    plain = caller.unwrap()
            """;
        await using TcpServer server = await ServeEchoAsync(model);
        string port = ((IPEndPoint)server.LocalEndPoint!).Port.ToString(CultureInfo.InvariantCulture);
        Assert.Contains("True TLSv1.3", await RunAsync("python3", "", "-c", program, WriteAuthority(), port), StringComparison.Ordinal);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task A_broadcast_never_goes_out_in_clear_to_who_shakes_hands_still(Model model)
    {
        await using TcpServer server = await ServeEchoAsync(model);
        using Caller silent = await Caller.ConnectAsync(server);
        await Deadline.UntilAsync(() => server.Connections.Count == 1, "the caller is served");
        server.Broadcast("secret"u8);
        silent.CloseOutput();
        Assert.DoesNotContain("secret", System.Text.Encoding.Latin1.GetString(await silent.ReadToEndAsync()), StringComparison.Ordinal);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task After_a_failed_upgrade_nothing_goes_out_in_clear(Model model)
    {
        TlsOptions tls = _certificates.Options("localhost");
        await using var call = new OneCall<bool>(model.Make(), async (connection, stop) =>
        {
            await Assert.ThrowsAsync<ConnectionEndedException>(() => connection.StartTlsAsync(tls, stop));
            await Assert.ThrowsAsync<ConnectionEndedException>(() => connection.WriteAsync("secret"u8.ToArray(), stop).AsTask());
            return true;
        });
        using Caller plain = await call.CallAsync();
        await plain.SendAsync("no TLS at all, but some more bytes\n");
        Assert.True(await call.Result);
    }

    private string WriteAuthority()
    {
        string file = _certificates.File("authority.pem");
        File.WriteAllText(file, _certificates.Authority.ExportCertificatePem());
        return file;
    }

    private static async Task<string> RunAsync(string tool, string input, params string[] arguments)
    {
        var start = new ProcessStartInfo(tool, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            Assert.Skip($"There is no {tool} here.");
            throw;
        }
        using (process)
        {
            try
            {
                Task<string> complained = process.StandardError.ReadToEndAsync();
                await process.StandardInput.WriteAsync(input);
                await process.StandardInput.FlushAsync();
                // A client that ends with its input must have its answer first.
                string? first = await process.StandardOutput.ReadLineAsync().InTime();
                process.StandardInput.Close();
                Task<string> said = process.StandardOutput.ReadToEndAsync();
                await process.WaitForExitAsync().InTime();
                return $"{first}\n{await said}{await complained}";
            }
            finally
            {
                if (!process.HasExited)
                {
                    process.Kill();
                }
            }
        }
    }
}
