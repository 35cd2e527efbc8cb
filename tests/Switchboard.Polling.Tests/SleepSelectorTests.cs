namespace Switchboard.Polling.Tests;

/// <summary>A loop that watches nothing needs no descriptor. How its selector wakes is among the tests of all selectors.</summary>
public sealed class SleepSelectorTests
{
    [Fact]
    public void It_watches_nothing_and_says_so()
    {
        using SleepSelector selector = new();
        using Pair pair = new();
        var refused = Assert.Throws<NotSupportedException>(() => selector.Register(pair.First, Interest.Read));
        Assert.Contains($"descriptor {pair.First.Number}", refused.Message, StringComparison.Ordinal);
        Assert.Empty(selector.Keys);
    }

    [Theory]
    [InlineData(0.2)]
    [InlineData(1.0)]
    [InlineData(30.5)]
    public void It_does_not_wake_before_its_time(double milliseconds)
    {
        using SleepSelector selector = new();
        TimeSpan time = TimeSpan.FromMilliseconds(milliseconds);
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        Assert.Empty(selector.Select(time));
        Assert.InRange(System.Diagnostics.Stopwatch.GetElapsedTime(started), time, Waits.Patience);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_loop_on_it_runs_posted_work_and_timers()
    {
        using RunningLoop running = new("sleep");
        for (int i = 0; i < 1000; i++)
        {
            Assert.Equal(running.ThreadId, await running.DoAsync(() => Environment.CurrentManagedThreadId));
        }
        foreach (int milliseconds in (int[])[0, 5, 150])
        {
            var fired = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            running.Post(() => new LoopTimer(running.Loop, _ => fired.SetResult(Environment.CurrentManagedThreadId), null).Arm(TimeSpan.FromMilliseconds(milliseconds)));
            Assert.Equal(running.ThreadId, await fired.Task.WaitAsync(Waits.Patience, TestContext.Current.CancellationToken));
        }
    }
}
