using System.Diagnostics;
using CsCheck;

namespace Switchboard.Polling.Tests;

public sealed class LoopTimerTests
{
    private const int Limit = 120_000;

    private enum Deed
    {
        Arm,
        Disarm,
    }

    private static readonly Gen<(Deed Deed, int Timer, int Microseconds)[]> _stories = Gen.Select(
        Gen.Frequency((4, Gen.Const(Deed.Arm)), (1, Gen.Const(Deed.Disarm))), Gen.Int[0, 15], Gen.Int[-1000, 20_000]).Array[1, 60];

    [Fact]
    public void Timers_fire_once_in_the_order_of_their_times_and_never_early() =>
        _stories.Sample(story =>
        {
            using EventLoop loop = new(new PollSelector());
            var due = new long?[16];
            var latest = new long[16];
            long last = 0;
            int left = 0;
            var timers = new LoopTimer[16];
            for (int i = 0; i < timers.Length; i++)
            {
                int mine = i;
                timers[i] = new LoopTimer(loop, _ =>
                {
                    long now = Stopwatch.GetTimestamp();
                    Assert.False(timers[mine].IsArmed);
                    Assert.True(now >= due[mine], "A timer fired early, or did not run.");
                    Assert.True(latest[mine] >= last, "A timer fired after one that was due later.");
                    last = Math.Max(last, due[mine]!.Value);
                    due[mine] = null;
                    if (--left == 0)
                    {
                        loop.Stop();
                    }
                }, null);
            }
            loop.Post(_ =>
            {
                foreach ((Deed deed, int timer, int microseconds) in story)
                {
                    if (deed == Deed.Arm)
                    {
                        // The timer reads the clock between the test's two readings.
                        long time = Math.Max(microseconds, 0) * Stopwatch.Frequency / 1_000_000;
                        due[timer] = Stopwatch.GetTimestamp() + time;
                        timers[timer].Arm(TimeSpan.FromMicroseconds(microseconds));
                        latest[timer] = Stopwatch.GetTimestamp() + time;
                    }
                    else
                    {
                        due[timer] = null;
                        timers[timer].Disarm();
                    }
                    Assert.Equal(due[timer] is not null, timers[timer].IsArmed);
                }
                left = due.Count(time => time is not null);
                if (left == 0)
                {
                    loop.Stop();
                }
            }, null);
            loop.Run();
            Assert.All(due, time => Assert.Null(time));
        }, iter: 100, threads: 1);

    [Fact(Timeout = Limit)]
    public async Task A_hundred_thousand_timers_cost_little_to_arm_and_to_disarm()
    {
        const int Count = 100_000;
        using RunningLoop running = new();
        var random = new Random(1);
        (long Allocated, TimeSpan Time) cost = await running.DoAsync(() =>
        {
            LoopTimer[] timers = [.. Enumerable.Range(0, Count).Select(_ => new LoopTimer(running.Loop, _ => Assert.Fail("It was disarmed."), null))];
            // The heap takes its room.
            Array.ForEach(timers, timer => timer.Arm(TimeSpan.FromHours(1)));
            Array.ForEach(timers, timer => timer.Disarm());
            TimeSpan[] times = [.. timers.Select(_ => TimeSpan.FromSeconds(random.Next(3600, 7200)))];
            random.Shuffle(timers);
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            long begun = Stopwatch.GetTimestamp();
            for (int i = 0; i < Count; i++)
            {
                timers[i].Arm(times[i]);
            }
            for (int i = Count - 1; i >= 0; i -= 2)
            {
                timers[i].Disarm();
            }
            for (int i = 0; i < Count; i++)
            {
                timers[i].Disarm();
            }
            TimeSpan time = Stopwatch.GetElapsedTime(begun);
            return (GC.GetAllocatedBytesForCurrentThread() - allocated, time);
        });
        Assert.Equal(0, cost.Allocated);
        // Some 30 ms; what grows with the square of the count takes minutes.
        Assert.True(cost.Time < TimeSpan.FromSeconds(5), $"It took {cost.Time}.");
    }

    [Fact(Timeout = Limit)]
    public async Task A_hundred_thousand_timers_fire_in_order()
    {
        const int Count = 100_000;
        using RunningLoop running = new();
        var random = new Random(2);
        var fired = new List<int>(Count);
        var due = new (long Soonest, long Latest)[Count];
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await running.DoAsync(() =>
        {
            for (int i = 0; i < Count; i++)
            {
                var time = TimeSpan.FromMicroseconds(random.Next(1_000_000));
                long ticks = time.Ticks * (Stopwatch.Frequency / TimeSpan.TicksPerSecond);
                var timer = new LoopTimer(running.Loop, state =>
                {
                    fired.Add((int)state!);
                    if (fired.Count == Count)
                    {
                        all.SetResult();
                    }
                }, i);
                // The timer reads the clock between the test's two readings.
                long before = Stopwatch.GetTimestamp();
                timer.Arm(time);
                due[i] = (before + ticks, Stopwatch.GetTimestamp() + ticks);
            }
            return true;
        });
        await all.Task.WaitAsync(Waits.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(Count, fired.Distinct().Count());
        Assert.DoesNotContain(fired.Zip(fired.Skip(1)), two => due[two.First].Soonest > due[two.Second].Latest);
    }

    [Fact(Timeout = Limit)]
    public async Task Arming_anew_replaces_the_time()
    {
        using RunningLoop running = new();
        var fired = new List<TimeSpan>();
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await running.DoAsync(() =>
        {
            long begun = Stopwatch.GetTimestamp();
            var later = new LoopTimer(running.Loop, _ => fired.Add(Stopwatch.GetElapsedTime(begun)), null);
            later.Arm(TimeSpan.FromMilliseconds(1));
            later.Arm(TimeSpan.FromMilliseconds(60));
            var sooner = new LoopTimer(running.Loop, _ => end.SetResult(), null);
            sooner.Arm(TimeSpan.FromHours(1));
            sooner.Arm(TimeSpan.FromMilliseconds(90));
            return true;
        });
        await end.Task.WaitAsync(Waits.Patience, TestContext.Current.CancellationToken);
        Assert.True(Assert.Single(fired) >= TimeSpan.FromMilliseconds(60), $"It fired after {fired[0]}.");
    }

    [Fact(Timeout = Limit)]
    public async Task A_timer_armed_in_its_own_callback_fires_again()
    {
        using RunningLoop running = new();
        int fired = 0;
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await running.DoAsync(() =>
        {
            LoopTimer? timer = null;
            timer = new LoopTimer(running.Loop, _ =>
            {
                Assert.False(timer!.IsArmed);
                if (++fired < 10)
                {
                    timer.Arm(TimeSpan.FromMilliseconds(1));
                }
                else
                {
                    end.SetResult();
                }
            }, null);
            timer.Arm(TimeSpan.Zero);
            return true;
        });
        await end.Task.WaitAsync(Waits.Patience, TestContext.Current.CancellationToken);
        Assert.Equal(10, fired);
    }

    [Fact(Timeout = Limit)]
    public async Task A_timer_of_no_time_armed_in_a_callback_lets_other_work_have_its_turn()
    {
        using RunningLoop running = new();
        LoopTimer? timer = null;
        await running.DoAsync(() =>
        {
            timer = new LoopTimer(running.Loop, _ => timer!.Arm(TimeSpan.Zero), null);
            timer.Arm(TimeSpan.Zero);
            return true;
        });
        await running.DoAsync(() => true);
        Assert.True(await running.DoAsync(() => timer!.IsArmed));
        await running.DoAsync(() =>
        {
            timer!.Disarm();
            return true;
        });
    }

    [Fact(Timeout = Limit)]
    public async Task A_timer_disarmed_by_one_that_is_due_at_the_same_time_does_not_fire()
    {
        using RunningLoop running = new();
        int fired = 0;
        await running.DoAsync(() =>
        {
            LoopTimer[] two = new LoopTimer[2];
            for (int i = 0; i < 2; i++)
            {
                int other = 1 - i;
                two[i] = new LoopTimer(running.Loop, _ =>
                {
                    fired++;
                    two[other].Disarm();
                }, null);
            }
            Array.ForEach(two, timer => timer.Arm(TimeSpan.Zero));
            return true;
        });
        await running.DoAsync(() => true);
        await running.DoAsync(() => true);
        Assert.Equal(1, fired);
    }

    [Theory(Timeout = Limit)]
    [InlineData(101)]
    [InlineData(150)]
    [InlineData(400)]
    public async Task A_long_timer_of_a_loop_that_sleeps_is_never_early_and_little_late(int milliseconds)
    {
        using RunningLoop running = new();
        var time = TimeSpan.FromMilliseconds(milliseconds);
        TimeSpan took = await FireAsync(running, time);
        Assert.InRange(took, time, time + TimeSpan.FromSeconds(1));
    }

    [Fact(Timeout = Limit)]
    public async Task A_long_timer_is_not_missed_behind_longer_and_shorter_ones()
    {
        using RunningLoop running = new();
        var time = TimeSpan.FromMilliseconds(200);
        Task<TimeSpan>[] all =
        [
            FireAsync(running, TimeSpan.FromMilliseconds(500)),
            FireAsync(running, time),
            FireAsync(running, TimeSpan.FromMilliseconds(20)),
            FireAsync(running, TimeSpan.FromMilliseconds(300)),
        ];
        await running.DoAsync(() =>
        {
            // Further off than the runtime's timer can be set, and than the clock counts.
            new LoopTimer(running.Loop, _ => Assert.Fail("Too early."), null).Arm(TimeSpan.FromDays(100));
            new LoopTimer(running.Loop, _ => Assert.Fail("Too early."), null).Arm(TimeSpan.MaxValue);
            return true;
        });
        TimeSpan[] took = await Task.WhenAll(all);
        Assert.InRange(took[1], time, time + TimeSpan.FromSeconds(1));
        Assert.InRange(await FireAsync(running, time), time, time + TimeSpan.FromSeconds(1));
    }

    [Fact(Timeout = Limit)]
    public async Task After_a_long_timer_is_disarmed_the_next_one_still_fires()
    {
        using RunningLoop running = new();
        await running.DoAsync(() =>
        {
            var timer = new LoopTimer(running.Loop, _ => Assert.Fail("It was disarmed."), null);
            timer.Arm(TimeSpan.FromMilliseconds(200));
            running.Post(timer.Disarm);
            return true;
        });
        var time = TimeSpan.FromMilliseconds(350);
        Assert.InRange(await FireAsync(running, time), time, time + TimeSpan.FromSeconds(1));
    }

    private static Task<TimeSpan> FireAsync(RunningLoop running, TimeSpan time)
    {
        var fired = new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
        running.Post(() =>
        {
            long begun = Stopwatch.GetTimestamp();
            new LoopTimer(running.Loop, _ => fired.SetResult(Stopwatch.GetElapsedTime(begun)), null).Arm(time);
        });
        return fired.Task.WaitAsync(Waits.Patience, TestContext.Current.CancellationToken);
    }
}
