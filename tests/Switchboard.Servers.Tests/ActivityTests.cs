using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;

namespace Switchboard.Servers.Tests;

/// <summary>Each call is an activity, for whoever listens, and nobody else's.</summary>
public sealed class ActivityTests
{
    private const string OwnName = "Switchboard.Servers.Tests";

    private static readonly ActivitySource _own = new(OwnName);

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_call_is_an_activity_and_what_its_handler_does_is_a_child_of_it(Model model)
    {
        using var spans = new Spans();
        using Activity? outer = _own.StartActivity("starts the server");
        Assert.NotNull(outer);
        await using TcpServer server = Make(model, spans.Server, async (connection, stop) =>
        {
            await foreach (ReadOnlyMemory<byte> line in connection.ReadMessagesAsync(Framing.Line, stop))
            {
                using Activity? work = _own.StartActivity("work");
                await Task.Yield();
                await connection.WriteAsync(line, stop);
            }
        });
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.SendAsync("one\n");
        await caller.ExpectAsync("one");
        caller.CloseOutput();
        await caller.ReadToEndAsync();
        Activity call = await spans.NextAsync();
        Assert.Equal(("switchboard.call", ActivityKind.Server, null), (call.OperationName, call.Kind, call.ParentId));
        Assert.Equal(ActivityStatusCode.Unset, call.Status);
        var peer = (IPEndPoint)caller.Socket.LocalEndPoint!;
        Assert.Equal(("127.0.0.1", peer.Port), (call.GetTagItem("network.peer.address"), call.GetTagItem("network.peer.port")));
        Assert.Equal("PeerClosed", call.GetTagItem("switchboard.end.reason"));
        Assert.IsType<long>(call.GetTagItem("switchboard.id"));
        Activity work = Assert.Single(spans.Own, one => one.OperationName == "work" && one.TraceId == call.TraceId);
        Assert.Equal(call.SpanId, work.ParentSpanId);
        Assert.NotEqual(outer.TraceId, call.TraceId);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.Together), MemberType = typeof(Models))]
    public async Task The_activity_of_one_call_is_never_current_in_another(Model model)
    {
        using var spans = new Spans();
        var wrong = new ConcurrentQueue<string>();
        await using TcpServer server = Make(model, spans.Server, async (connection, stop) =>
        {
            await foreach (ReadOnlyMemory<byte> line in connection.ReadMessagesAsync(Framing.Line, stop))
            {
                Check(connection);
                await Task.Yield();
                Check(connection);
                await connection.WriteAsync(line, stop);
                Check(connection);
            }
        });
        await server.StartAsync().InTime();
        const int count = 20;
        await Task.WhenAll(Enumerable.Range(0, count).Select(async _ =>
        {
            using Caller caller = await Caller.ConnectAsync(server);
            for (int round = 0; round < 20; round++)
            {
                await caller.SendAsync("x\n");
                await caller.ExpectAsync("x");
            }
        })).InTime();
        for (int i = 0; i < count; i++)
        {
            await spans.NextAsync();
        }
        Assert.Empty(wrong);

        void Check(Connection connection)
        {
            if (Activity.Current?.GetTagItem("switchboard.id") is not long id || id != connection.Id)
            {
                wrong.Enqueue($"{connection}: {Activity.Current?.OperationName} {Activity.Current?.GetTagItem("switchboard.id")}");
            }
        }
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_handler_that_fails_is_an_error_with_its_type()
    {
        using var spans = new Spans();
        await using TcpServer server = Make(Model.OneLoop, spans.Server, (_, _) => throw new NotSupportedException("No."));
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.WaitForEndAsync();
        Activity call = await spans.NextAsync();
        Assert.Equal((ActivityStatusCode.Error, "No."), (call.Status, call.StatusDescription));
        Assert.Equal(("HandlerFailed", "System.NotSupportedException"), (call.GetTagItem("switchboard.end.reason"), call.GetTagItem("error.type")));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_limit_that_ends_a_call_is_an_error_with_its_reason()
    {
        using var spans = new Spans();
        await using TcpServer server = Make(Model.OneLoop, spans.Server, LineEcho.ServeAsync, new() { FirstByte = TimeSpan.FromMilliseconds(50) });
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.WaitForEndAsync();
        Activity call = await spans.NextAsync();
        Assert.Equal((ActivityStatusCode.Error, "NoFirstByte"), (call.Status, call.GetTagItem("switchboard.end.reason")));
    }

    private static TcpServer Make(Model model, string name, Func<Connection, CancellationToken, Task> handler, ConnectionLimits? limits = null) =>
        new("127.0.0.1:0", handler, model.Make(), new ServerOptions { Name = name, Limits = limits ?? ConnectionLimits.Default, LoggerFactory = new RecordingLog() });

    /// <summary>Listens to activities, and keeps those of one server and of this class.</summary>
    private sealed class Spans : IDisposable
    {
        private readonly System.Threading.Channels.Channel<Activity> _ended = System.Threading.Channels.Channel.CreateUnbounded<Activity>();
        private readonly ActivityListener _listener;

        internal Spans()
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = static source => source.Name is ServerTelemetry.ActivitySourceName or OwnName,
                Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
                ActivityStopped = activity =>
                {
                    if (activity.Source == _own)
                    {
                        Own.Enqueue(activity);
                    }
                    else if (Server.Equals(activity.GetTagItem("switchboard.server")))
                    {
                        _ended.Writer.TryWrite(activity);
                    }
                },
            };
            ActivitySource.AddActivityListener(_listener);
        }

        internal string Server { get; } = $"activities {Guid.NewGuid()}";

        internal ConcurrentQueue<Activity> Own { get; } = new();

        internal Task<Activity> NextAsync() => _ended.Reader.ReadAsync().InTime();

        public void Dispose() => _listener.Dispose();
    }
}
