using Microsoft.Extensions.Logging;

namespace Switchboard.Servers.Tests;

/// <summary>A handler that holds up its loop is named in the log, wherever it does so.</summary>
public sealed class BlockedLoopTests
{
    private const int LoopBlocked = 18;
    private static readonly TimeSpan _limit = TimeSpan.FromMilliseconds(50);

    public static TheoryData<Place, Model> Cases { get; } =
        [.. from place in Enum.GetValues<Place>() from model in (Model[])[Model.OneLoop, Model.ThreeLoops] select (place, model)];

    public enum Place
    {
        FirstPiece,
        AfterRead,
        AfterMessage,
        AfterDelay,
        AfterWorkElsewhere,
        AfterYield,
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Cases))]
    public async Task A_handler_that_blocks_its_loop_is_named_once_and_goes_on(Place place, Model model)
    {
        using var go = new Gate();
        var log = new RecordingLog();
        await using var server = new TcpServer("127.0.0.1:0", () => new Stubborn(place, go), model.Make(), new ServerOptions { BlockedLoop = _limit, Grace = TimeSpan.Zero, LoggerFactory = log });
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        await caller.SendAsync("x\n");
        LogRecord record = await log.WaitAsync(record => record.Id == LoopBlocked);
        Assert.Equal(LogLevel.Warning, record.Level);
        Assert.Contains(nameof(Stubborn), record.Text, StringComparison.Ordinal);
        Assert.Contains("ServerOptions.BlockedLoop", record.Text, StringComparison.Ordinal);
        go.Set();
        Assert.Equal("done", await caller.ReadTextToEndAsync());
        Assert.Single(log.Records, record => record.Id == LoopBlocked);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_datagram_handler_that_blocks_its_loop_is_named()
    {
        using var go = new Gate();
        var log = new RecordingLog();
        await using var server = new UdpServer("127.0.0.1:0", () => new StubbornOverDatagrams(go), Concurrency.EventLoop(), new ServerOptions { BlockedLoop = _limit, Grace = TimeSpan.Zero, LoggerFactory = log });
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        await caller.SendAsync("x");
        Assert.Contains(nameof(StubbornOverDatagrams), (await log.WaitAsync(record => record.Id == LoopBlocked)).Text, StringComparison.Ordinal);
        go.Set();
        Assert.Equal("done", await caller.ReceiveAsync());
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_handler_that_is_a_lambda_or_a_method_is_named_by_where_it_stands(bool lambda)
    {
        using var go = new Gate();
        var log = new RecordingLog();
        Task HoldUpAsync(Connection connection, CancellationToken stop)
        {
            go.Wait();
            return Task.CompletedTask;
        }
        await using var server = new TcpServer("127.0.0.1:0", lambda ? (_, _) => HoldUpAsync(null!, default) : HoldUpAsync, Concurrency.EventLoop(), new ServerOptions { BlockedLoop = _limit, Grace = TimeSpan.Zero, LoggerFactory = log });
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        LogRecord record = await log.WaitAsync(record => record.Id == LoopBlocked);
        Assert.Contains($": {nameof(BlockedLoopTests)}.{nameof(A_handler_that_is_a_lambda_or_a_method_is_named_by_where_it_stands)} has held up", record.Text, StringComparison.Ordinal);
        go.Set();
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Many_short_pieces_and_long_waits_are_no_blocking()
    {
        var log = new RecordingLog();
        await using var call = new OneCall<bool>(Concurrency.EventLoop(), async (connection, stop) =>
        {
            long end = Environment.TickCount64 + (long)(_limit * 4).TotalMilliseconds;
            while (Environment.TickCount64 < end)
            {
                await Task.Yield();
            }
            await Task.Delay(_limit * 4, stop);
            return true;
        }, new ServerOptions { BlockedLoop = _limit });
        using Caller caller = await call.CallAsync();
        Assert.True(await call.Result);
        Assert.DoesNotContain(call.Log.Records, record => record.Id == LoopBlocked);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.OneLoop, true)]
    [InlineData(Model.Threads, false)]
    [InlineData(Model.Sequential, false)]
    public async Task Nobody_is_named_where_that_is_switched_off_or_a_handler_may_block(Model model, bool never)
    {
        await using var call = new OneCall<bool>(model.Make(), (_, _) =>
        {
            using var nobody = new ManualResetEventSlim();
            return Task.FromResult(nobody.Wait(_limit * 4));
        }, new ServerOptions { BlockedLoop = never ? Timeout.InfiniteTimeSpan : _limit });
        using Caller caller = await call.CallAsync();
        Assert.False(await call.Result);
        Assert.DoesNotContain(call.Log.Records, record => record.Id == LoopBlocked);
    }

    /// <summary>Shut until it is opened, at the latest by a test that ends.</summary>
    private sealed class Gate : IDisposable
    {
        private readonly ManualResetEventSlim _open = new();

        internal void Wait() => Assert.True(_open.Wait(Deadline.Time, CancellationToken.None));

        internal void Set() => _open.Set();

        public void Dispose() => Set();
    }

    private sealed class Stubborn(Place place, Gate go) : RequestHandler
    {
        protected override async Task HandleAsync(CancellationToken stop)
        {
            switch (place)
            {
                case Place.AfterRead:
                    await Connection.ReadAsync(new byte[2], stop);
                    break;
                case Place.AfterMessage:
                    await Connection.ReadMessageAsync(Framing.Line, stop);
                    break;
                case Place.AfterDelay:
                    await Task.Delay(1, stop);
                    break;
                case Place.AfterWorkElsewhere:
                    await Task.Run(() => { }, stop);
                    break;
                case Place.AfterYield:
                    await Task.Yield();
                    break;
            }
            go.Wait();
            await Connection.WriteAsync("done"u8.ToArray(), stop);
        }
    }

    private sealed class StubbornOverDatagrams(Gate go) : DatagramRequestHandler
    {
        protected override async Task HandleAsync(CancellationToken stop)
        {
            go.Wait();
            await ReplyAsync("done"u8.ToArray(), stop);
        }
    }
}
