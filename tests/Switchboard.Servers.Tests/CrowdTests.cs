using System.Diagnostics;
using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

/// <summary>Needs most of the descriptors of the process.</summary>
[CollectionDefinition(nameof(Crowd), DisableParallelization = true)]
public sealed class Crowd;

/// <summary>Thousands of callers on few loops, who come, stay, are silent, slow or reset.</summary>
[Collection(nameof(Crowd))]
public sealed class CrowdTests
{
    private const int Limit = 300_000;

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.Together), MemberType = typeof(Models))]
    public async Task Callers_who_are_reset_at_random_times_disturb_none_of_as_many_who_stay(Model model)
    {
        int half = Scale.Of(400);
        var log = new RecordingLog();
        await using var server = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, model.Make(), new ServerOptions { LoggerFactory = log });
        await server.StartAsync().InTime();
        long started = Stopwatch.GetTimestamp();
        Caller[] callers = await LineEcho.ConnectAllAsync(server, 2 * half);
        var allGone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int stillThere = half;
        int echoes = 0;
        async Task LeaveAsync(Caller caller, Random random)
        {
            for (int left = random.Next(6); left > 0; left--)
            {
                await caller.SayAsync($"leaves in {left}");
            }
            if (random.Next(2) == 0)
            {
                await caller.SendAsync("half a li");
            }
            caller.Reset();
            if (Interlocked.Decrement(ref stillThere) == 0)
            {
                allGone.SetResult();
            }
        }
        async Task StayAsync(Caller caller, int number)
        {
            for (int round = 0; round < 3 || !allGone.Task.IsCompleted; round++)
            {
                await caller.SayAsync($"{number} {round}");
                Interlocked.Increment(ref echoes);
            }
        }
        await Task.WhenAll(callers.Select((caller, number) => Task.Run(() => number % 2 == 0
            ? LeaveAsync(caller, new Random(number))
            : StayAsync(caller, number))));
        await Deadline.UntilAsync(() => server.Statistics.Open == half, "the server notices who is gone");
        Assert.Equal(new Dictionary<ConnectionEndReason, long> { [ConnectionEndReason.Reset] = half }, server.Statistics.EndedBy);
        TestContext.Current.TestOutputHelper?.WriteLine($"{model}: {2 * half} callers, {half} reset; the others had {echoes} echoes meanwhile; {Stopwatch.GetElapsedTime(started)}.");
        LineEcho.DisposeAll(callers);
        await Deadline.UntilAsync(() => server.Statistics.Open == 0, "the server notices that nobody is left");
        Assert.Equal((2 * half, half), (server.Statistics.Accepted, server.Statistics.EndedBy[ConnectionEndReason.PeerClosed]));
        Assert.DoesNotContain(log.Records, record => record.Level >= Microsoft.Extensions.Logging.LogLevel.Warning);
    }

    [Fact(Timeout = Limit)]
    public async Task Silent_callers_and_slow_writers_cost_those_who_talk_next_to_nothing()
    {
        const string name = "crowded";
        const int talkers = 100;
        int silent = Scale.Of(250);
        int slow = Scale.Of(250);
        int bytes = Scale.Of(2);
        await using var server = new TcpServer("127.0.0.1:0", LineEcho.ServeAsync, Concurrency.EventLoop(), new ServerOptions { Name = name });
        await server.StartAsync().InTime();
        Caller[] talking = await LineEcho.ConnectAllAsync(server, talkers);
        async Task<(TimeSpan Cost, double Rate)> TalkAsync(Func<int, bool> goesOn)
        {
            int echoes = 0;
            TimeSpan before = LoopThreads.ProcessorTime(name);
            long started = Stopwatch.GetTimestamp();
            await Task.WhenAll(talking.Select(caller => Task.Run(async () =>
            {
                for (int round = 0; goesOn(round); round++)
                {
                    await caller.SayAsync("How do you do?");
                    Interlocked.Increment(ref echoes);
                }
            })));
            return ((LoopThreads.ProcessorTime(name) - before) / echoes, echoes / Stopwatch.GetElapsedTime(started).TotalSeconds);
        }
        // Once for the compiler.
        await TalkAsync(round => round < 50);
        (TimeSpan Cost, double Rate) alone = await TalkAsync(round => round < 100);

        Caller[] silentOnes = await LineEcho.ConnectAllAsync(server, silent);
        Caller[] slowOnes = await LineEcho.ConnectAllAsync(server, slow);
        using var second = new PeriodicTimer(TimeSpan.FromSeconds(1));
        async Task WriteSlowlyAsync()
        {
            for (int count = 0; count < bytes; count++)
            {
                foreach (Caller caller in slowOnes)
                {
                    await caller.SendAsync("z");
                }
                await second.WaitForNextTickAsync();
            }
        }
        Task writing = Task.Run(WriteSlowlyAsync);
        (TimeSpan Cost, double Rate) among = await TalkAsync(round => round < 10 || !writing.IsCompleted);
        await writing;
        TestContext.Current.TestOutputHelper?.WriteLine($"{talkers} callers alone: {alone.Rate:0} echoes a second, {alone.Cost.TotalMicroseconds:0.0} us of the loop's thread each; among {silent} silent ones and {slow} of a byte a second: {among.Rate:0} echoes a second, {among.Cost.TotalMicroseconds:0.0} us each.");
        Assert.True(among.Cost < alone.Cost * 4, $"An echo cost {alone.Cost} of the processor, and {among.Cost} in a crowd.");
        Assert.Equal(talkers + silent + slow, server.Statistics.Open);
        // Nobody was forgotten, and not a byte of theirs.
        await Task.WhenAll(slowOnes.Select(async caller =>
        {
            await caller.SendAsync("!\n");
            await caller.ExpectAsync(new string('z', bytes) + "!\n");
        }));
        await Task.WhenAll(silentOnes.Select(caller => caller.SayAsync("at last")));
        LineEcho.DisposeAll([.. talking, .. silentOnes, .. slowOnes]);
    }

    [Fact(Timeout = Limit)]
    public async Task Callers_who_stay_for_long_do_not_pile_up_on_a_loop_when_another_loses_its_own()
    {
        // Fewer would not do: loops may differ by eight callers, however few there are.
        const int callers = 1000;
        const int loops = 4;
        const double most = 1.15 * callers / loops;
        await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            await connection.WriteAsync(BitConverter.GetBytes(Environment.CurrentManagedThreadId), stop);
            await connection.ReadAsync(new byte[1], stop);
        }, Concurrency.EventLoop(loops));
        await server.StartAsync().InTime();
        async Task<(Caller Caller, int Loop)[]> ComeAsync(int count) =>
            await Task.WhenAll((await LineEcho.ConnectAllAsync(server, count)).Select(async caller => (caller, BitConverter.ToInt32(await caller.ReadAsync(4)))));
        (Caller Caller, int Loop)[] all = await ComeAsync(callers);
        IGrouping<int, (Caller Caller, int Loop)>[] byLoop = [.. all.GroupBy(caller => caller.Loop)];
        Assert.Equal(loops, byLoop.Length);
        Assert.All(byLoop, loop => Assert.InRange(loop.Count(), 1, most));

        (Caller Caller, int Loop)[] leaving = [.. byLoop[^1]];
        LineEcho.DisposeAll(leaving.Select(caller => caller.Caller));
        await Deadline.UntilAsync(() => server.Statistics.Open == callers - leaving.Length, "the server notices who is gone");
        (Caller Caller, int Loop)[] now = [.. all.Except(leaving), .. await ComeAsync(leaving.Length)];
        int[] counts = [.. now.GroupBy(caller => caller.Loop).Select(loop => loop.Count())];
        TestContext.Current.TestOutputHelper?.WriteLine($"Before: {string.Join(", ", byLoop.Select(loop => loop.Count()))}; after: {string.Join(", ", counts)}.");
        Assert.Equal((loops, callers), (counts.Length, counts.Sum()));
        Assert.All(counts, count => Assert.InRange(count, 1, most));
        LineEcho.DisposeAll(now.Select(caller => caller.Caller));
    }
}
