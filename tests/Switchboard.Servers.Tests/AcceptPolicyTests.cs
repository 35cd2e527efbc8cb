using Microsoft.Extensions.Logging;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers.Tests;

/// <summary>A server does what the table of accept errors says, row by row.</summary>
public sealed class AcceptPolicyTests
{
    public static MatrixTheoryData<Errno, Model> Errors(AcceptPolicy policy) => new(
        [.. AcceptErrors.Table.Where(row => row.Value == policy).Select(row => row.Key), .. policy == AcceptPolicy.Fatal ? (Errno[])[(Errno)4000] : []],
        [Model.Threads, Model.OneLoop, Model.Tasks]);

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Errors), AcceptPolicy.Retry)]
    public async Task A_lost_caller_is_passed_over(Errno errno, Model model)
    {
        var log = new RecordingLog();
        await using var server = new FailingServer(errno, model, log);
        await server.StartAsync().InTime();
        await AssertServesAsync(server);
        await log.WaitAsync(record => record.Level == LogLevel.Debug && record.Text.Contains("lost a caller", StringComparison.Ordinal));
        Assert.Equal(0, server.Statistics.Paused);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Errors), AcceptPolicy.Pause)]
    public async Task A_shortage_pauses_with_one_line_and_passes_by_itself(Errno errno, Model model)
    {
        var log = new RecordingLog();
        await using var server = new FailingServer(errno, model, log, times: 2);
        await server.StartAsync().InTime();
        await AssertServesAsync(server);
        Assert.Equal(2, server.Statistics.Paused);
        await log.WaitAsync(record => record.Text.Contains("accepts callers again", StringComparison.Ordinal));
        Assert.Single(log.Records, record => record.Level == LogLevel.Warning && record.Text.Contains("pauses accepting", StringComparison.Ordinal));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Errors), AcceptPolicy.Gone)]
    public async Task A_listener_that_is_gone_stops_the_server(Errno errno, Model model)
    {
        var log = new RecordingLog();
        await using var server = new FailingServer(errno, model, log);
        await server.StartAsync().InTime();
        await server.Completion.InTime();
        Assert.Contains(log.Records, record => record.Level == LogLevel.Error && record.Text.Contains("its listener is gone", StringComparison.Ordinal));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Errors), AcceptPolicy.Fatal)]
    public async Task Any_other_error_ends_the_server_with_it(Errno errno, Model model)
    {
        var log = new RecordingLog();
        var server = new FailingServer(errno, model, log);
        Task serving = server.ServeForeverAsync();
        SystemCallException error = await Assert.ThrowsAnyAsync<SystemCallException>(() => server.Completion.InTime());
        Assert.Equal(errno, error.Errno);
        Assert.Same(error, await Assert.ThrowsAnyAsync<SystemCallException>(() => serving.InTime()));
        // Whoever only disposes it learns it too.
        Assert.Same(error, await Assert.ThrowsAnyAsync<SystemCallException>(() => server.DisposeAsync().InTime()));
        Assert.Contains(log.Records, record => record.Level == LogLevel.Critical && record.Exception == error);
    }

    private static async Task AssertServesAsync(SocketServer server)
    {
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.SendAsync("hello\n");
        Assert.Equal("hello\n", await caller.ReadTextToEndAsync());
    }

    /// <summary>A server whose first accepts fail.</summary>
    private sealed class FailingServer(Errno errno, Model model, RecordingLog log, int times = 1)
        : TcpServer("127.0.0.1:0", (Func<RequestHandler>)(() => new LineEchoHandler()), model.Make(), new ServerOptions { LoggerFactory = log })
    {
        private int _left = times;

        protected override Connection? GetRequest() =>
            _left-- > 0 ? throw SystemCallException.For("accept4", errno) : base.GetRequest();
    }
}
