using Microsoft.Extensions.Logging;

namespace Switchboard.Servers.Tests;

/// <summary>A blocking handler's body.</summary>
internal sealed record BlockingLambda(Action<Connection> Handle);

/// <summary>A server whose connections' ends can be awaited and checked wherever they are told.</summary>
internal sealed class WatchedCalls : IAsyncDisposable
{
    internal WatchedCalls(Func<Connection, CancellationToken, Task> handle, ConnectionLimits? limits = null, Concurrency? concurrency = null, bool verify = true)
    {
        Server = new VerifyingServer(handle, concurrency, Options(limits), verify);
        Server.ConnectionEnded += Ends.Add;
    }

    internal WatchedCalls(BlockingLambda handle, ConnectionLimits? limits = null)
    {
        Server = new TcpServer("127.0.0.1:0", (Func<BlockingRequestHandler>)(() => new Handler(handle.Handle)), options: Options(limits));
        Server.ConnectionEnded += Ends.Add;
    }

    internal RecordingLog Log { get; } = new();

    internal EndRecorder Ends { get; } = new();

    internal TcpServer Server { get; }

    internal async Task<Caller> CallAsync(int? receiveBuffer = null)
    {
        await Server.StartAsync().InTime();
        return await Caller.ConnectAsync(Server, receiveBuffer);
    }

    /// <summary>The one connection ends with this reason, once, and all who tell of it say the same.</summary>
    internal async Task<ConnectionEnd> AssertEndsAsync(ConnectionEndReason reason, bool allowWarnings = false)
    {
        (Connection connection, ConnectionEnd end) = await Ends.NextAsync();
        Assert.Equal(reason, end.Reason);
        Assert.Same(end, await connection.Closed.InTime());
        await Server.StopAsync().InTime();
        Assert.Equal(0, Ends.More);
        Assert.Equal(new Dictionary<ConnectionEndReason, long> { [reason] = 1 }, Server.Statistics.EndedBy);
        Assert.Equal((1, 0), (Server.Statistics.Accepted, Server.Statistics.Open));
        LogRecord record = Assert.Single(Log.Records, record => record.Id == 8);
        Assert.Equal(LogLevel.Debug, record.Level);
        Assert.Contains($"{connection.RemoteEndPoint}", record.Text, StringComparison.Ordinal);
        Assert.Contains($"{reason}", record.Text, StringComparison.Ordinal);
        Assert.True(allowWarnings || Log.Records.All(record => record.Level < LogLevel.Warning), string.Join('\n', Log.Records.Select(record => record.Text)));
        return end;
    }

    internal Task AssertSaidAsync(string words) =>
        Log.WaitAsync(record => $"{record.Text} {record.Exception}".Contains(words, StringComparison.Ordinal));

    public async ValueTask DisposeAsync() => await Server.StopAsync(TimeSpan.Zero).InTime();

    private ServerOptions Options(ConnectionLimits? limits) => new() { LoggerFactory = Log, Limits = limits ?? ConnectionLimits.Default };

    private sealed class VerifyingServer(Func<Connection, CancellationToken, Task> handle, Concurrency? concurrency, ServerOptions options, bool verify)
        : TcpServer("127.0.0.1:0", handle, concurrency, options)
    {
        protected override bool Verify(Connection request) => verify;
    }

    private sealed class Handler(Action<Connection> handle) : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop) => handle(Connection);
    }
}
