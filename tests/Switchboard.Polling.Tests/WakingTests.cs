using System.Diagnostics;

namespace Switchboard.Polling.Tests;

public sealed class WakingTests
{
    [Theory, EverySelector(AndSleep = true)]
    public void A_wake_up_before_select_ends_it_at_once(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        selector.Wake();
        Assert.Empty(selector.Select(Waits.Patience));
    }

    [Theory, EverySelector]
    public void A_wake_up_from_another_thread_ends_select(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        Thread waiter = new(() => Assert.Empty(selector.Select()));
        waiter.Start();
        // Only a thread that is in Select can refuse the question.
        Assert.True(SpinWait.SpinUntil(() => Record.Exception(() => selector.Register(-1, Interest.Read)) is InvalidOperationException, Waits.Patience));
        selector.Wake();
        waiter.JoinOrFail();
    }

    [Theory, EverySelector(AndSleep = true)]
    public void Five_thousand_wake_ups_count_as_one(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        for (int i = 0; i < 5000; i++)
        {
            selector.Wake();
        }
        Assert.Empty(selector.Select(Waits.Patience));
        long started = Stopwatch.GetTimestamp();
        Assert.Empty(selector.Select(Waits.Glance));
        Assert.InRange(Stopwatch.GetElapsedTime(started), Waits.Glance, Waits.Patience);
    }

    [Theory, EverySelector]
    public void What_is_ready_comes_with_the_wake_up(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        SelectorKey key = selector.Register(pair.First, Interest.Write);
        selector.Wake();
        Assert.Equal([new ReadyEvent(key, Readiness.Writable)], selector.Select(Waits.Patience));
        selector.Modify(key, Interest.None);
        Assert.Empty(selector.Select(TimeSpan.Zero));
    }

    [Theory, EverySelector(AndSleep = true)]
    public void No_wake_up_is_lost_however_it_falls(string name)
    {
        const int Rounds = 5000;
        using Selector selector = EverySelectorAttribute.Make(name);
        int posted = 0;
        int seen = 0;
        Thread waiter = new(() =>
        {
            while (seen < Rounds)
            {
                selector.Select(Waits.Patience);
                Volatile.Write(ref seen, Volatile.Read(ref posted));
            }
        });
        waiter.Start();
        for (int i = 1; i <= Rounds; i++)
        {
            Volatile.Write(ref posted, i);
            long started = Stopwatch.GetTimestamp();
            selector.Wake();
            while (Volatile.Read(ref seen) < i)
            {
                Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(15), $"Wake-up {i} was lost.");
                // Half of the rounds have one wake-up only; in the others one falls into each instant of the answer.
                if (i % 2 == 0)
                {
                    selector.Wake();
                }
            }
        }
        waiter.JoinOrFail();
    }

    [Theory, EverySelector(AndSleep = true)]
    public void Waking_while_the_selector_is_disposed_does_no_harm(string name)
    {
        for (int i = 0; i < 200; i++)
        {
            Selector selector = EverySelectorAttribute.Make(name);
            Exception? failure = null;
            using ManualResetEventSlim started = new();
            Thread waker = new(() =>
            {
                started.Set();
                failure = Record.Exception(selector.Wake);
            });
            waker.Start();
            started.Wait(Waits.Patience, TestContext.Current.CancellationToken);
            selector.Dispose();
            waker.JoinOrFail();
            Assert.Null(failure);
        }
    }
}
