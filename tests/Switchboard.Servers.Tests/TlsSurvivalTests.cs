using System.Net.Security;
using System.Net.Sockets;
using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

/// <summary>Crowds over TLS, and ends of calls in bad moments.</summary>
public sealed class TlsSurvivalTests : IDisposable
{
    private readonly Certificates _certificates = new();

    public static TheoryData<Model> All => Models.All;

    public void Dispose() => _certificates.Dispose();

    private ClientOptions Client => new() { Tls = new TlsClientOptions { TargetHost = "localhost", TrustedAuthorities = _certificates.Trusted } };

    private static ConnectionLimits Patient => new() { Handshake = TimeSpan.FromMinutes(10), FirstByte = Timeout.InfiniteTimeSpan };

    /// <summary>5,000 of them with SWITCHBOARD_SCALE=50.</summary>
    [Fact]
    public async Task Silent_handshakes_hold_up_nobody()
    {
        int silent = Scale.Of(100);
        var callers = new List<Caller>();
        await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) => await connection.WriteAsync("hello"u8.ToArray(), stop), Concurrency.EventLoop(), new ServerOptions
        {
            Tls = _certificates.Options("localhost"),
            LoggerFactory = new RecordingLog(),
            Limits = Patient,
        });
        await server.StartAsync().InTime();
        try
        {
            while (callers.Count < silent)
            {
                callers.Add(await Caller.ConnectAsync(server));
            }
            await Deadline.UntilAsync(() => server.Connections.Count == silent, "all silent callers shake hands");
            for (int i = 0; i < 20; i++)
            {
                using TlsCaller caller = await TlsCaller.ConnectAsync(server, _certificates);
                await caller.ExpectAsync("hello");
            }
            Assert.True(server.Connections.Count >= silent, "The silent ones were not there any more.");
        }
        finally
        {
            callers.ForEach(caller => caller.Dispose());
        }
        // Each has its end, and none is left behind.
        await Deadline.UntilAsync(() => server.Connections.Count == 0, "the silent ones are gone");
        Assert.Equal(silent, server.Statistics.EndedBy[ConnectionEndReason.HandshakeFailed]);
    }

    /// <summary>1,000 calls with SWITCHBOARD_SCALE=20.</summary>
    [Theory]
    [MemberData(nameof(Crowded))]
    public async Task A_stop_gives_every_call_in_flight_its_end_of_TLS(Model model)
    {
        int count = Scale.Of(50);
        var ends = new EndRecorder();
        await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            await connection.WriteAsync("go"u8.ToArray(), stop);
            await connection.ReadAsync(new byte[16], stop);
        }, model == Model.Threads ? Concurrency.Threads(limit: count) : model.Make(), new ServerOptions { Tls = _certificates.Options("localhost"), LoggerFactory = new RecordingLog(), Limits = Patient });
        server.ConnectionEnded += ends.Add;
        await server.StartAsync().InTime();
        var callers = new List<Connection>();
        var buffer = new byte[2];
        while (callers.Count < count)
        {
            Connection caller = await Connection.ConnectAsync(new ServerAddress(server.LocalEndPoint!), Client).InTime();
            callers.Add(caller);
            Assert.Equal(2, await caller.ReadAsync(buffer).InTime());
        }
        await server.StopAsync(Deadline.Time).InTime();
        foreach (Connection caller in callers)
        {
            Assert.Equal(ConnectionEndReason.Stopped, (await ends.NextAsync()).End.Reason);
            Assert.Equal(0, await caller.ReadAsync(buffer).InTime());
            Assert.False(caller.Tls!.IsTruncated, "The end of TLS did not come.");
            await caller.DisposeAsync();
        }
    }

    public static TheoryData<Model> Crowded => [Model.Threads, Model.OneLoop, Model.ThreeLoops, Model.Tasks];

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task The_last_words_arrive_although_a_read_was_left_behind_and_more_was_sent(Model model)
    {
        byte[] much = Sizes.Pattern(2 * 1024 * 1024);
        Task<int>? left = null;
        await using var call = new OneCall<bool>(model.Make(), async (connection, stop) =>
        {
            await connection.WriteAsync("go"u8.ToArray(), stop);
            left = connection.ReadAsync(new byte[16], CancellationToken.None).AsTask();
            await connection.WriteAsync("last words"u8.ToArray(), stop);
            // Without an await, so that what comes now is unread when the call ends.
            SpinWait.SpinUntil(() => connection.HasUnread, Deadline.Time);
            return true;
        }, certificates: _certificates);
        using Caller caller = await call.CallAsync();
        await caller.ExpectAsync("go");
        await caller.SendAsync(much);
        Assert.Equal("last words", await caller.ReadTextToEndAsync());
        caller.CloseOutput();
        Assert.True(await call.Result);
        // All that came was taken and dropped, to the end: no reset has cost the caller the words.
        Assert.Equal(ConnectionEndReason.PeerClosed, (await call.End).Reason);
        try
        {
            await left!.InTime();
        }
        catch (ConnectionEndedException)
        {
            // Under Tasks it may have been given what came.
        }
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(All))]
    public async Task A_record_that_comes_byte_by_byte_costs_no_exceptions(Model model)
    {
        int thrown = 0;
        void Count(object? sender, System.Runtime.ExceptionServices.FirstChanceExceptionEventArgs first) => thrown += first.Exception is WouldWaitException ? 1 : 0;
        await using var call = new OneCall<int>(model.Make(), async (connection, stop) =>
        {
            int lines = 0;
            await foreach (ReadOnlyMemory<byte> _ in connection.ReadMessagesAsync(Framing.Line, stop))
            {
                lines++;
                await connection.WriteAsync("."u8.ToArray(), stop);
            }
            return lines;
        }, new ServerOptions { Tls = _certificates.Options("localhost") });
        using Caller caller = await call.CallAsync();
        caller.Socket.NoDelay = true;
        var held = new List<byte>();
        bool holds = false;
        await using var stream = new SslStream(new ChangingStream(new NetworkStream(caller.Socket), written =>
        {
            if (!holds)
            {
                return written;
            }
            held.AddRange(written.Span);
            return default;
        }), leaveInnerStreamOpen: true);
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", CertificateChainPolicy = TlsTrust.ToPolicy(_certificates.Trusted) }, TestContext.Current.CancellationToken).InTime();
        AppDomain.CurrentDomain.FirstChanceException += Count;
        try
        {
            for (int i = 0; i < 5; i++)
            {
                holds = true;
                await stream.WriteAsync("a line\n"u8.ToArray(), TestContext.Current.CancellationToken);
                foreach (byte one in held)
                {
                    await caller.SendAsync(new[] { one });
                    await Task.Yield();
                }
                held.Clear();
                await stream.ReadExactlyAsync(new byte[1], TestContext.Current.CancellationToken).InTime();
            }
        }
        finally
        {
            AppDomain.CurrentDomain.FirstChanceException -= Count;
        }
        holds = false;
        await stream.ShutdownAsync().InTime();
        Assert.Equal(5, await call.Result);
        Assert.Equal(0, thrown);
    }
}
