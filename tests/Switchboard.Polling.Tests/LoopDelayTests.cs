using System.Diagnostics;

#pragma warning disable xUnit1051 // Which of these calls get a token is what the tests are about; all of them have a limit of time.

namespace Switchboard.Polling.Tests;

/// <summary>Times that a loop is asked for: callbacks and awaits.</summary>
public sealed class LoopDelayTests
{
    private const int Limit = 120_000;

    [Fact(Timeout = Limit)]
    public async Task What_is_scheduled_runs_once_on_the_loop_unless_it_is_cancelled()
    {
        await using EventLoop loop = EventLoop.Start();
        var ran = new TaskCompletionSource<(bool, TimeSpan)>(TaskCreationOptions.RunContinuationsAsynchronously);
        int wrong = 0;
        await loop.InvokeAsync(() =>
        {
            long begun = Stopwatch.GetTimestamp();
            LoopTimer cancelled = loop.Schedule(TimeSpan.FromMilliseconds(1), () => wrong++);
            LoopTimer timer = loop.Schedule(TimeSpan.FromMilliseconds(20), () => ran.SetResult((loop.IsCurrent, Stopwatch.GetElapsedTime(begun))));
            Assert.True(timer.IsArmed);
            cancelled.Disarm();
        });
        (bool onLoop, TimeSpan time) = await ran.Task.Within();
        Assert.True(onLoop);
        Assert.True(time >= TimeSpan.FromMilliseconds(20), $"It ran after {time}.");
        Assert.Equal(0, wrong);
    }

    [Fact(Timeout = Limit)]
    public async Task Only_the_loops_thread_schedules_and_not_after_its_end()
    {
        EventLoop loop = EventLoop.Start();
        Assert.Throws<InvalidOperationException>(() => loop.Schedule(TimeSpan.Zero, () => { }));
        await loop.DisposeAsync();
        Assert.Throws<OperationCanceledException>(() => loop.Schedule(TimeSpan.Zero, () => { }));
    }

    [Fact(Timeout = Limit)]
    public async Task A_hundred_thousand_scheduled_callbacks_cost_little_and_run_in_order()
    {
        const int Count = 100_000;
        await using EventLoop loop = EventLoop.Start();
        var random = new Random(3);
        TimeSpan[] times = [.. Enumerable.Range(0, Count).Select(_ => TimeSpan.FromMicroseconds(random.Next(500_000)))];
        var due = new (long Soonest, long Latest)[Count];
        int left = Count;
        long last = 0;
        string? wrong = null;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Action[] callbacks = [.. Enumerable.Range(0, Count).Select(i => new Action(() =>
        {
            wrong ??= Stopwatch.GetTimestamp() < due[i].Soonest ? "A timer was early." : due[i].Latest < last ? "A timer was out of order." : null;
            last = Math.Max(last, due[i].Soonest);
            if (--left == 0)
            {
                all.SetResult();
            }
        }))];
        (long bytes, TimeSpan time) = await loop.InvokeAsync(() =>
        {
            // Those that are cancelled cost the same, and leave nothing.
            Array.ForEach(Array.ConvertAll(callbacks, callback => loop.Schedule(TimeSpan.FromHours(1), callback)), timer => timer.Disarm());
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            long begun = Stopwatch.GetTimestamp();
            for (int i = 0; i < Count; i++)
            {
                long ticks = times[i].Ticks * (Stopwatch.Frequency / TimeSpan.TicksPerSecond);
                due[i].Soonest = Stopwatch.GetTimestamp() + ticks;
                loop.Schedule(times[i], callbacks[i]);
                due[i].Latest = Stopwatch.GetTimestamp() + ticks;
            }
            return (GC.GetAllocatedBytesForCurrentThread() - allocated, Stopwatch.GetElapsedTime(begun));
        });
        await all.Task.Within();
        Assert.Null(wrong);
        Assert.True(bytes / Count < 150, $"A timer takes {bytes / Count} bytes.");
        Assert.True(time < TimeSpan.FromSeconds(2), $"It took {time}.");
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_delay_is_never_short_and_comes_back_to_its_loop(bool onLoop)
    {
        await using EventLoop loop = EventLoop.Start();
        await loop.DoAsync(onLoop, async () =>
        {
            foreach (int microseconds in (int[])[-5, 0, 1, 999, 1000, 12_345, 150_000])
            {
                long begun = Stopwatch.GetTimestamp();
                await loop.DelayAsync(TimeSpan.FromMicroseconds(microseconds));
                Assert.True(Stopwatch.GetElapsedTime(begun) >= TimeSpan.FromMicroseconds(microseconds));
                Assert.Equal(onLoop, loop.IsCurrent);
            }
        });
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_cancelled_delay_ends_at_once_and_leaves_the_others(bool onLoop)
    {
        await using EventLoop loop = EventLoop.Start();
        await loop.DoAsync(onLoop, async () =>
        {
            for (int i = 0; i < 50; i++)
            {
                using CancellationTokenSource source = new();
                Task cancelled = loop.DelayAsync(Timeout.InfiniteTimeSpan, source.Token).AsTask();
                Task stays = loop.DelayAsync(TimeSpan.FromMilliseconds(1)).AsTask();
                await source.CancelAsync();
                Assert.Equal(source.Token, (await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled)).CancellationToken);
                await stays;
                await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await loop.DelayAsync(TimeSpan.Zero, source.Token));
            }
        });
        Assert.Equal(0, await loop.InvokeAsync(() => loop.Timers.Count));
    }

    [Fact(Timeout = Limit)]
    public async Task Delays_are_cancelled_when_the_loop_ends()
    {
        EventLoop loop = EventLoop.Start();
        List<Task> delays = [loop.DelayAsync(TimeSpan.FromHours(1)).AsTask(), loop.DelayAsync(Timeout.InfiniteTimeSpan).AsTask()];
        await loop.InvokeAsync(() => 0);
        await loop.DisposeAsync();
        delays.Add(loop.DelayAsync(TimeSpan.Zero).AsTask());
        foreach (Task delay in delays)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => delay.Within());
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_delay_allocates_nothing_once_it_is_warm()
    {
        const int Count = 2000;
        await using EventLoop loop = EventLoop.Start();
        using CancellationTokenSource source = new();
        long allocated = await loop.InvokeAsync(async () =>
        {
            await DelaysAsync();
            long begun = GC.GetAllocatedBytesForCurrentThread();
            await DelaysAsync();
            return GC.GetAllocatedBytesForCurrentThread() - begun;
        }).Within();
        Assert.True(allocated < Count, $"{allocated} bytes were allocated for {Count} delays.");

        async Task DelaysAsync()
        {
            for (int i = 0; i < Count; i++)
            {
                await loop.DelayAsync(TimeSpan.Zero, source.Token);
            }
        }
    }
}
