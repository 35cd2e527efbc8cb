using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Microsoft.Extensions.Logging;
using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

/// <summary>Whatever comes in place of a handshake ends that connection, and costs the server nothing that stays.</summary>
public sealed class TlsFuzzTests : IDisposable
{
    private const int Callers = 4;

    private readonly Certificates _certificates = new();

    public static TheoryData<Model> All => Models.All;

    public void Dispose() => _certificates.Dispose();

    private async Task<TcpServer> ServeAsync(Model model, RecordingLog log)
    {
        var server = new TcpServer("127.0.0.1:0", async (connection, stop) => await connection.WriteAsync("hello"u8.ToArray(), stop), model.Make(), new ServerOptions
        {
            Tls = _certificates.Options("localhost"),
            LoggerFactory = log,
            Limits = new ConnectionLimits { Handshake = TimeSpan.FromMinutes(1) },
        });
        await server.StartAsync().InTime();
        return server;
    }

    /// <summary>1,000,000 inputs, 200,000 under each model, with SWITCHBOARD_SCALE=1000.</summary>
    [Theory]
    [MemberData(nameof(All))]
    public async Task Garbage_and_changed_hellos_end_their_own_connection_only(Model model)
    {
        byte[][] hellos = [await ClientHello.MakeAsync(), await ClientHello.MakeAsync(SslProtocols.Tls12), await ClientHello.MakeAsync(SslProtocols.Tls13, new string('h', 60) + ".example")];
        int each = Scale.Of(200) / Callers;
        using var log = new RecordingLog { Least = LogLevel.Error };
        await using TcpServer server = await ServeAsync(model, log);
        await ServesAsync(server);
        long before = 0;
        int rounds = Math.Max(1, each / 5000);
        for (int round = 0; round < rounds; round++)
        {
            int first = round * each / rounds;
            int last = (round + 1) * each / rounds;
            await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Factory.StartNew(() =>
            {
                for (int i = first; i < last; i++)
                {
                    int seed = (i * Callers) + caller;
                    Assert.True(Say(server.LocalEndPoint!, Input(hellos, new Random(seed))), $"Input {seed} was not answered by an end.");
                }
            }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
            await ServesAsync(server);
            await Deadline.UntilAsync(() => server.Connections.Count == 0, "all have ended");
            long now = GC.GetTotalMemory(forceFullCollection: true);
            before = round == 0 ? now : before;
            Assert.True(now < before + (32 * 1024 * 1024), $"{now - before} bytes more are held after {last * Callers} inputs.");
        }
        Assert.Equal(each * Callers, server.Statistics.EndedBy[ConnectionEndReason.HandshakeFailed]);
        Assert.Empty(log.Records);
    }

    private static byte[] Input(byte[][] hellos, Random random)
    {
        byte[] hello = hellos[random.Next(hellos.Length)];
        switch (random.Next(6))
        {
            case 0:
                return Garbage(random, random.Next(600));
            case 1:
                // The form of a record, and nonsense in it.
                byte[] content = Garbage(random, random.Next(400));
                return [(byte)random.Next(20, 25), 3, (byte)random.Next(5), (byte)(content.Length >> 8), (byte)content.Length, .. content];
            case 2:
                return hello[..random.Next(hello.Length)];
            case 3:
                return [.. hello, .. Garbage(random, random.Next(1, 200))];
            case 4:
                // Of one record two, which is right, and then something else.
                int cut = random.Next(1, hello.Length - 6);
                byte[] rest = hello[(5 + cut)..];
                return [22, 3, 1, (byte)(cut >> 8), (byte)cut, .. hello[5..(5 + cut)], 22, 3, 1, (byte)(rest.Length >> 8), (byte)rest.Length, .. rest, .. Garbage(random, 10)];
            default:
                byte[] changed = [.. hello];
                for (int i = random.Next(1, 9); i > 0; i--)
                {
                    changed[random.Next(changed.Length)] = (byte)random.Next(256);
                }
                return random.Next(3) switch
                {
                    0 => changed,
                    1 => [.. changed, .. changed],
                    _ => [.. changed[..random.Next(changed.Length)], .. changed[random.Next(changed.Length)..]],
                };
        }
    }

    private static byte[] Garbage(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    /// <summary>Says something, and nothing more. True if the server then ends the connection.</summary>
    private static bool Say(EndPoint server, ReadOnlySpan<byte> bytes)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = (int)Deadline.Time.TotalMilliseconds };
        socket.Connect(server);
        try
        {
            socket.Send(bytes);
            socket.Shutdown(SocketShutdown.Send);
            Span<byte> answer = stackalloc byte[4096];
            while (socket.Receive(answer) > 0)
            {
            }
            return true;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown or SocketError.NotConnected or SocketError.ConnectionAborted;
        }
    }

    /// <summary>Both parts of a client's handshake are cut at each of their bytes. Without resumption all have the same length.</summary>
    [Theory]
    [MemberData(nameof(All))]
    public async Task A_handshake_that_is_cut_at_any_byte_ends(Model model)
    {
        using var log = new RecordingLog { Least = LogLevel.Error };
        await using TcpServer server = await ServeAsync(model, log);
        int all = await ShakeAsync(server, int.MaxValue);
        Assert.True(all > 300, $"The client's part has {all} bytes only.");
        for (int cut = 0; cut < all; cut++)
        {
            Assert.Equal(cut, await ShakeAsync(server, cut));
        }
        await ServesAsync(server);
        await Deadline.UntilAsync(() => server.Connections.Count == 0, "all have ended");
        Assert.Equal(all, server.Statistics.EndedBy[ConnectionEndReason.HandshakeFailed]);
        Assert.Empty(log.Records);
    }

    /// <summary>Shakes hands, and ends after so many bytes. Gives how many were sent.</summary>
    private async Task<int> ShakeAsync(TcpServer server, int most)
    {
        using Caller caller = await Caller.ConnectAsync(server);
        int sent = 0;
        await using var stream = new SslStream(new ChangingStream(new NetworkStream(caller.Socket), written =>
        {
            int count = Math.Min(written.Length, most - sent);
            sent += count;
            if (count < written.Length)
            {
                caller.Socket.Send(written.Span[..count]);
                caller.CloseOutput();
                return default;
            }
            return written;
        }), leaveInnerStreamOpen: true);
        try
        {
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", AllowTlsResume = false, CertificateChainPolicy = TlsTrust.ToPolicy(_certificates.Trusted) }).InTime();
            await stream.ReadExactlyAsync(new byte[5]).InTime();
            Assert.Equal(int.MaxValue, most);
        }
        catch (Exception exception) when (exception is IOException or AuthenticationException or SocketException && most < int.MaxValue)
        {
            await caller.WaitForEndAsync();
        }
        return sent;
    }

    private async Task ServesAsync(TcpServer server)
    {
        using TlsCaller caller = await TlsCaller.ConnectAsync(server, _certificates);
        await caller.ExpectAsync("hello");
    }
}
