namespace Switchboard.Workers.Tests;

// What docs/from-python.md says of Timer, and of Thread.Interrupt, which stands for an exception from outside.
public sealed class BaseLibraryTimersTests
{
    [Fact(Timeout = Patience.Test)]
    public async Task Each_timer_fires_once_with_its_own_state()
    {
        var fired = new TaskCompletionSource<(string, string)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var states = new List<string>();
        void Fire(object? state)
        {
            lock (states)
            {
                states.Add((string)state!);
                if (states.Count == 2)
                {
                    fired.TrySetResult((states[0], states[1]));
                }
            }
        }
        await using var first = new Timer(Fire, "first", TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
        await using var second = new Timer(Fire, "second", TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
        (string, string) both = await fired.Task.WaitAsync(TestContext.Current.CancellationToken);
        Assert.Contains(both, new[] { ("first", "second"), ("second", "first") });
    }

    [Fact(Timeout = Patience.Test)]
    public async Task A_timer_that_was_disposed_fires_no_more()
    {
        bool fired = false;
        var timer = new Timer(_ => fired = true, null, TimeSpan.FromHours(1), Timeout.InfiniteTimeSpan);
        await timer.DisposeAsync();
        Assert.False(timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan));
        Assert.False(fired);
    }

    [Fact]
    public void A_waiting_thread_is_interrupted_with_an_exception()
    {
        Thread? waiting = null;
        using var never = new ManualResetEventSlim();
        ThreadWorker worker = ThreadWorker.Start(() =>
        {
            Volatile.Write(ref waiting, Thread.CurrentThread);
            Assert.Throws<ThreadInterruptedException>(never.Wait);
        });
        Patience.Until(() => Volatile.Read(ref waiting)?.IsBlocked() == true, "the worker waits");
        waiting!.Interrupt();
        worker.JoinOrFail();
        Assert.True(worker.Completion.IsCompletedSuccessfully);
    }
}
