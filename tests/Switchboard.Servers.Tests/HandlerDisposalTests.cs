using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Switchboard.Servers.Tests;

/// <summary>What was made for a call is disposed after it: the handler, and the scope that its services came from.</summary>
public sealed class HandlerDisposalTests
{
    /// <summary>Models that blocking handlers run under.</summary>
    public static TheoryData<Model> Blocking => [Model.Threads, Model.Sequential];

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_handler_is_disposed_after_finish_and_before_the_connection_ends(Model model)
    {
        var diary = new Diary();
        await using TcpServer server = Serve(model, () => new Writer(diary, ""), out _);
        await CallAsync(server, "setup handle finish dispose ");
        await CallAsync(server, "setup handle finish dispose ");
        Assert.Equal(2, diary.Count("disposed"));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads)]
    [InlineData(Model.OneLoop)]
    public async Task A_handler_that_can_be_disposed_both_ways_is_disposed_asynchronously(Model model)
    {
        var diary = new Diary();
        await using TcpServer server = Serve(model, () => new Both(diary), out _);
        await CallAsync(server, "setup handle finish dispose ");
        Assert.Equal(1, diary.Count("disposed"));
        Assert.Equal(0, diary.Count("disposed synchronously"));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Blocking))]
    public async Task A_handler_that_blocks_is_disposed_too(Model model)
    {
        var diary = new Diary();
        await using var server = new TcpServer("127.0.0.1:0", (Func<BlockingRequestHandler>)(() => new BlockingWriter(diary)), model.Make());
        await CallAsync(server, "setup handle finish dispose ");
        await using var failing = new TcpServer("127.0.0.1:0", (Func<BlockingRequestHandler>)(() => new BlockingWriter(diary) { Fails = true }), model.Make(), new ServerOptions { LoggerFactory = new RecordingLog() });
        await CallAsync(failing, "setup finish dispose ");
        Assert.Equal(2, diary.Count("disposed"));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Sequential, "setup", "dispose ")]
    [InlineData(Model.Threads, "setup", "dispose ")]
    [InlineData(Model.OneLoop, "setup", "dispose ")]
    [InlineData(Model.ThreeLoops, "setup", "dispose ")]
    [InlineData(Model.Tasks, "setup", "dispose ")]
    [InlineData(Model.Sequential, "handle", "setup finish dispose ")]
    [InlineData(Model.Threads, "handle", "setup finish dispose ")]
    [InlineData(Model.OneLoop, "handle", "setup finish dispose ")]
    [InlineData(Model.ThreeLoops, "handle", "setup finish dispose ")]
    [InlineData(Model.Tasks, "handle", "setup finish dispose ")]
    [InlineData(Model.Threads, "finish", "setup handle dispose ")]
    [InlineData(Model.OneLoop, "finish", "setup handle dispose ")]
    public async Task A_handler_that_fails_is_disposed_too_and_its_failure_is_told(Model model, string fails, string said)
    {
        var diary = new Diary();
        await using TcpServer server = Serve(model, () => new Writer(diary, fails), out RecordingLog log);
        await CallAsync(server, said);
        LogRecord record = await log.WaitAsync(record => record.Id == 5);
        Assert.Equal($"{fails} fails", record.Exception?.Message);
        await Deadline.UntilAsync(() => server.Statistics.EndedBy.GetValueOrDefault(ConnectionEndReason.HandlerFailed) == 1, "the end is counted");
        Assert.Equal(1, diary.Count("disposed"));
        Assert.Single(log.Records, record => record.Id == 5);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task What_disposing_throws_is_told_and_counted_as_what_a_handler_throws(Model model)
    {
        var diary = new Diary();
        await using TcpServer server = Serve(model, () => new Writer(diary, "dispose"), out RecordingLog log);
        await CallAsync(server, "setup handle finish ");
        await CallAsync(server, "setup handle finish ");
        await Deadline.UntilAsync(() => server.Statistics.EndedBy.GetValueOrDefault(ConnectionEndReason.HandlerFailed) == 2, "both are counted");
        Assert.Equal(2, log.Records.Count(record => record is { Id: 5, Level: LogLevel.Error, Exception.Message: "dispose fails" }));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads)]
    [InlineData(Model.OneLoop)]
    [InlineData(Model.Tasks)]
    public async Task The_first_failure_is_the_cause_and_that_of_disposing_is_told_beside_it(Model model)
    {
        var ends = new EndRecorder();
        await using TcpServer server = Serve(model, () => new Writer(new Diary(), "handle dispose"), out RecordingLog log);
        server.ConnectionEnded += ends.Add;
        await CallAsync(server, "setup finish ");
        (_, ConnectionEnd end) = await ends.NextAsync();
        Assert.Equal((ConnectionEndReason.HandlerFailed, "handle fails"), (end.Reason, end.Exception?.Message));
        Assert.Equal(["handle fails", "dispose fails"], log.Records.Where(record => record.Id == 5).Select(record => record.Exception?.Message));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_handler_whom_a_stop_ends_is_disposed(Model model)
    {
        var diary = new Diary();
        await using TcpServer server = Serve(model, () => new Waiter(diary), out _);
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.ExpectAsync("hello");
        await server.StopAsync().InTime();
        Assert.Equal(1, diary.Count("disposed"));
        Assert.Equal(1, server.Statistics.EndedBy[ConnectionEndReason.Stopped]);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_handler_that_serves_another_call_is_left_to_that_one()
    {
        var diary = new Diary();
        var only = new Waiter(diary);
        await using TcpServer server = Serve(Model.Threads, () => only, out RecordingLog log);
        await server.StartAsync().InTime();
        using Caller first = await Caller.ConnectAsync(server);
        await first.ExpectAsync("hello");
        using Caller second = await Caller.ConnectAsync(server);
        await second.WaitForEndAsync();
        await log.WaitAsync(record => record.Exception?.Message.Contains("serves one call", StringComparison.Ordinal) == true);
        Assert.Equal(0, diary.Count("disposed"));
        await server.StopAsync().InTime();
        Assert.Equal(1, diary.Count("disposed"));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Each_call_has_a_scope_that_is_disposed_asynchronously_after_its_handler(Model model)
    {
        await using ServiceProvider services = Services(out Diary diary);
        await using TcpServer server = Serve<Scoped>(model, services, out _);
        await CallAsync(server, "setup handle finish dispose scope ");
        await CallAsync(server, "setup handle finish dispose scope ");
        Assert.Equal((2, 2, 2), (diary.Count("disposed"), diary.Count("scope made"), diary.Count("scope disposed")));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task The_scope_of_a_handler_that_fails_or_cannot_be_made_is_disposed(Model model)
    {
        await using ServiceProvider services = Services(out Diary diary);
        await using TcpServer server = Serve<ScopedFailure>(model, services, out _);
        await CallAsync(server, "scope ");
        await using TcpServer unmade = Serve<Unmakable>(model, services, out RecordingLog log);
        await CallAsync(unmade, "");
        await log.WaitAsync(record => record.Exception?.Message == "constructor fails");
        Assert.Equal((2, 2), (diary.Count("scope made"), diary.Count("scope disposed")));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Blocking))]
    public async Task A_handler_that_blocks_has_a_scope_too(Model model)
    {
        await using ServiceProvider services = Services(out Diary diary);
        await using TcpServer server = Serve<ScopedBlocking>(model, services, out _);
        await CallAsync(server, "setup handle finish dispose scope ");
        Assert.Equal(1, diary.Count("scope disposed"));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_handler_that_is_a_service_is_disposed_once_by_its_scope()
    {
        var diary = new Diary();
        await using ServiceProvider services = new ServiceCollection().AddSingleton(diary).AddScoped<Slow>().AddTransient<Scoped>().BuildServiceProvider(validateScopes: true);
        await using TcpServer server = Serve<Scoped>(Model.OneLoop, services, out _);
        // The container disposes what it made last first.
        await CallAsync(server, "setup handle finish dispose scope ");
        Assert.Equal((1, 1), (diary.Count("disposed"), diary.Count("scope disposed")));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Datagrams_have_handlers_and_scopes_that_are_disposed()
    {
        await using ServiceProvider services = Services(out Diary diary);
        await using var server = new UdpServer<ScopedDatagram>("127.0.0.1:0", Concurrency.EventLoop(), services: services);
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        for (int sent = 0; sent < 2; sent++)
        {
            await caller.SendAsync("x");
            Assert.Equal("handled", await caller.ReceiveAsync());
            Assert.Equal("disposed", await caller.ReceiveAsync());
        }
        await server.StopAsync().InTime();
        Assert.Equal(2, diary.Count("scope disposed"));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads)]
    [InlineData(Model.OneLoop)]
    [InlineData(Model.Tasks)]
    public async Task Sessions_have_a_handler_and_a_scope_that_are_disposed(Model model)
    {
        await using ServiceProvider services = Services(out Diary diary);
        await using var server = new UdpSessionServer<ScopedSession>("127.0.0.1:0", model.Make(), services: services);
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        await caller.SendAsync("x");
        Assert.Equal("handled", await caller.ReceiveAsync());
        Assert.Equal("disposed", await caller.ReceiveAsync());
        await server.StopAsync().InTime();
        Assert.Equal((1, 1), (diary.Count("scope made"), diary.Count("scope disposed")));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_pair_disposes_its_handler_as_a_server_does()
    {
        var diary = new Diary();
        using var pair = new ConnectionPair();
        ConnectionEnd end = await pair.ServeAsync(new Writer(diary, "handle")).InTime();
        Assert.Equal("handle fails", end.Exception?.Message);
        Assert.Equal(1, diary.Count("disposed"));
    }

    private static ServiceProvider Services(out Diary diary)
    {
        diary = new Diary();
        return new ServiceCollection().AddSingleton(diary).AddScoped<Slow>().BuildServiceProvider(validateScopes: true);
    }

    private static TcpServer Serve(Model model, Func<RequestHandler> factory, out RecordingLog log) =>
        new("127.0.0.1:0", factory, model.Make(), new ServerOptions { LoggerFactory = log = new RecordingLog() });

    private static TcpServer<T> Serve<T>(Model model, IServiceProvider services, out RecordingLog log)
        where T : CallHandler => new("127.0.0.1:0", model.Make(), new ServerOptions { LoggerFactory = log = new RecordingLog() }, services);

    private static async Task CallAsync(TcpServer server, string said)
    {
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        Assert.Equal(said, await caller.ReadTextToEndAsync());
    }

    /// <summary>What happened, from any thread.</summary>
    internal sealed class Diary
    {
        private readonly ConcurrentQueue<string> _entries = new();

        internal void Add(string entry) => _entries.Enqueue(entry);

        internal int Count(string entry) => _entries.Count(one => one == entry);
    }

    /// <summary>Tells its caller what runs.</summary>
    internal class Writer(Diary diary, string fails) : RequestHandler, IAsyncDisposable
    {
        protected override Task SetupAsync(CancellationToken stop) => SayAsync("setup");

        protected override Task HandleAsync(CancellationToken stop) => SayAsync("handle");

        protected override Task FinishAsync() => SayAsync("finish");

        public async ValueTask DisposeAsync()
        {
            diary.Add("disposed");
            await Task.Yield();
            await SayAsync("dispose");
            GC.SuppressFinalize(this);
        }

        private async Task SayAsync(string word)
        {
            if (fails.Split(' ').Contains(word))
            {
                throw new NotSupportedException($"{word} fails");
            }
            await Connection.WriteAsync(Encoding.ASCII.GetBytes(word + " "));
        }
    }

    internal sealed class Both(Diary diary) : Writer(diary, ""), IDisposable
    {
        private readonly Diary _diary = diary;

        public void Dispose() => _diary.Add("disposed synchronously");
    }

    internal sealed class Waiter(Diary diary) : RequestHandler, IDisposable
    {
        protected override async Task HandleAsync(CancellationToken stop)
        {
            await Connection.WriteAsync("hello"u8.ToArray(), stop);
            await Connection.ReadMessageAsync(Framing.Packet, stop);
        }

        public void Dispose() => diary.Add("disposed");
    }

    internal class BlockingWriter(Diary diary) : BlockingRequestHandler, IAsyncDisposable
    {
        internal bool Fails { get; init; }

        protected override void Setup(CancellationToken stop) => Connection.Write("setup "u8);

        protected override void Handle(CancellationToken stop) => Connection.Write(Fails ? throw new NotSupportedException("handle fails") : "handle "u8);

        protected override void Finish() => Connection.Write("finish "u8);

        public async ValueTask DisposeAsync()
        {
            diary.Add("disposed");
            await Task.Delay(1);
            Connection.Write("dispose "u8);
            GC.SuppressFinalize(this);
        }
    }

    /// <summary>A service that takes a moment to be disposed, and tells the caller when it is.</summary>
    internal sealed class Slow : IAsyncDisposable
    {
        private readonly Diary _diary;

        public Slow(Diary diary)
        {
            _diary = diary;
            diary.Add("scope made");
        }

        internal CallHandler? User { get; set; }

        public async ValueTask DisposeAsync()
        {
            await Task.Delay(1);
            User?.Connection.TrySend("scope "u8);
            _diary.Add("scope disposed");
        }
    }

    internal sealed class Scoped : Writer
    {
        public Scoped(Diary diary, Slow slow, IServiceProvider services)
            : base(diary, "")
        {
            Assert.Same(slow, services.GetRequiredService<Slow>());
            slow.User = this;
        }
    }

    internal sealed class ScopedFailure : Writer
    {
        public ScopedFailure(Diary diary, Slow slow)
            : base(diary, "setup dispose") => slow.User = this;
    }

    internal sealed class Unmakable : Writer
    {
        public Unmakable(Diary diary, Slow slow)
            : base(diary, $"{slow}") => throw new NotSupportedException("constructor fails");
    }

    internal sealed class ScopedBlocking : BlockingWriter
    {
        public ScopedBlocking(Diary diary, Slow slow)
            : base(diary) => slow.User = this;
    }

    internal sealed class ScopedSession(Slow slow) : DatagramSessionHandler, IAsyncDisposable
    {
        protected override async Task HandleAsync(CancellationToken stop)
        {
            Assert.NotNull(slow);
            await Session.SendAsync("handled"u8.ToArray(), stop);
        }

        public async ValueTask DisposeAsync() => await Session.SendAsync("disposed"u8.ToArray());
    }

    internal sealed class ScopedDatagram(Slow slow) : DatagramRequestHandler, IAsyncDisposable
    {
        protected override async Task HandleAsync(CancellationToken stop)
        {
            Assert.NotNull(slow);
            await ReplyAsync("handled"u8.ToArray(), stop);
        }

        public async ValueTask DisposeAsync() => await ReplyAsync("disposed"u8.ToArray());
    }
}
