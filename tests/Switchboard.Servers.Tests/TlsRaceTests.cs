namespace Switchboard.Servers.Tests;

/// <summary>What several threads ask of a TLS connection at once.</summary>
public sealed class TlsRaceTests : IDisposable
{
    private const int Piece = 100;

    private static readonly byte[] _much = Sizes.Pattern(200_000);
    private static readonly byte[] _little = Sizes.Pattern(20_000, 1);

    private readonly Certificates _certificates = new();

    public static TheoryData<Model> All => Models.All;

    public void Dispose() => _certificates.Dispose();

    private ServerOptions Options => new() { Tls = _certificates.Options("localhost"), LoggerFactory = new RecordingLog() };

    private ClientOptions Client => new() { Tls = new TlsClientOptions { TargetHost = "localhost", TrustedAuthorities = _certificates.Trusted } };

    /// <summary>One end ends its output while many small records come in: where the end of TLS were made beside a decryption,
    /// the connection would break.</summary>
    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task An_output_ends_while_records_come_in(Model model)
    {
        await using var server = new TcpServer("127.0.0.1:0", (connection, stop) => ExchangeAsync(connection, _much, _little, stop), model.Make(), Options);
        await server.StartAsync().InTime();
        for (int round = 0; round < Switchboard.Tests.Scale.Of(10); round++)
        {
            await using Connection connection = await Connection.ConnectAsync(new ServerAddress(server.LocalEndPoint!), Client).InTime();
            await ExchangeAsync(connection, _little, _much, CancellationToken.None).InTime();
            Assert.False(connection.Tls!.IsTruncated);
        }
    }

    private static async Task ExchangeAsync(Connection connection, byte[] sent, byte[] expected, CancellationToken stop)
    {
        async Task SendAsync()
        {
            for (int at = 0; at < sent.Length; at += Piece)
            {
                await connection.WriteAsync(sent.AsMemory(at, Piece), stop);
            }
            await connection.CloseOutputAsync();
        }
        async Task ReceiveAsync()
        {
            var buffer = new byte[Piece];
            int received = 0;
            int count;
            while ((count = await connection.ReadAsync(buffer, stop)) > 0)
            {
                Assert.True(expected.AsSpan(received, count).SequenceEqual(buffer.AsSpan(0, count)));
                received += count;
            }
            Assert.Equal(expected.Length, received);
        }
        await Task.WhenAll(SendAsync(), ReceiveAsync());
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task One_thread_blocks_in_reads_while_another_writes_and_ends_the_output(Model model)
    {
        await using var server = new TcpServer("127.0.0.1:0", (connection, stop) => ExchangeAsync(connection, _much, _little, stop), model.Make(), Options);
        await server.StartAsync().InTime();
        for (int round = 0; round < Switchboard.Tests.Scale.Of(10); round++)
        {
            await using Connection connection = await Task.Run(() => Connection.Connect(new ServerAddress(server.LocalEndPoint!), Client)).InTime();
            Task<byte[]> reader = Task.Factory.StartNew(() =>
            {
                using var all = new MemoryStream();
                var buffer = new byte[Piece];
                int count;
                while ((count = connection.Read(buffer)) > 0)
                {
                    all.Write(buffer, 0, count);
                }
                return all.ToArray();
            }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            await Task.Factory.StartNew(() =>
            {
                for (int at = 0; at < _little.Length; at += Piece)
                {
                    connection.Write(_little.AsSpan(at, Piece));
                }
            }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).InTime();
            await connection.CloseOutputAsync().InTime();
            Assert.Equal(_much, await reader.InTime());
            Assert.False(connection.Tls!.IsTruncated);
        }
    }

    /// <summary>A stop makes the end of TLS on the call's thread while the peer goes on sending.</summary>
    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task A_stop_while_records_come_in_gives_the_peer_its_end(Model model)
    {
        for (int round = 0; round < Switchboard.Tests.Scale.Of(3); round++)
        {
            var reading = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
            {
                var buffer = new byte[5000];
                while (await connection.ReadAsync(buffer, stop) > 0)
                {
                    reading.TrySetResult();
                }
            }, model.Make(), Options);
            await server.StartAsync().InTime();
            await using Connection connection = await Connection.ConnectAsync(new ServerAddress(server.LocalEndPoint!), Client).InTime();
            var ended = new CancellationTokenSource();
            Task sending = SendUntilAsync(connection, ended.Token);
            Task<int> end = connection.ReadAsync(new byte[16]).AsTask();
            await reading.Task.InTime();
            await server.StopAsync(Deadline.Time).InTime();
            try
            {
                // Bytes that were on their way when the socket was closed may have the kernel reset it.
                Assert.Equal(0, await end.InTime());
                Assert.False(connection.Tls!.IsTruncated);
            }
            catch (ConnectionEndedException exception)
            {
                Assert.Equal(ConnectionEndReason.Reset, exception.Reason);
                Assert.DoesNotContain("SSL routines", exception.Message, StringComparison.Ordinal);
            }
            await ended.CancelAsync();
            await sending.InTime();
        }
    }

    private static async Task SendUntilAsync(Connection connection, CancellationToken end)
    {
        var bytes = new byte[4000];
        try
        {
            while (!end.IsCancellationRequested)
            {
                await connection.WriteAsync(bytes, CancellationToken.None);
            }
        }
        catch (IOException)
        {
            // The server has closed.
        }
    }
}
