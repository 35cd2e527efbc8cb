namespace Switchboard.Workers.Tests;

// What docs/from-python.md says of Monitor, which stands for Python's Condition.
public sealed class BaseLibraryConditionsTests
{
    private readonly object _condition = new();

    [Fact]
    public void Who_does_not_hold_the_lock_may_not_wait_or_pulse()
    {
        Assert.Throws<SynchronizationLockException>(() => Monitor.Wait(_condition));
        Assert.Throws<SynchronizationLockException>(() => Monitor.Pulse(_condition));
        Assert.Throws<SynchronizationLockException>(() => Monitor.PulseAll(_condition));
        Assert.Throws<SynchronizationLockException>(() => Monitor.Exit(_condition));
    }

    [Fact]
    public void A_wait_leaves_the_lock_however_often_it_was_taken_and_takes_it_again()
    {
        bool ready = false;
        var crew = new Crew(1, () =>
        {
            lock (_condition)
            {
                lock (_condition)
                {
                    while (!ready)
                    {
                        Assert.True(Monitor.Wait(_condition, Patience.Step));
                    }
                    Assert.True(Monitor.IsEntered(_condition));
                }
                Assert.True(Monitor.IsEntered(_condition));
            }
            Assert.False(Monitor.IsEntered(_condition));
        });
        crew.UntilBlocked(1);
        lock (_condition)
        {
            ready = true;
            Monitor.Pulse(_condition);
        }
        crew.End();
    }

    [Fact]
    public void Each_pulse_wakes_one_waiter_and_pulse_all_the_rest()
    {
        using var woken = new SemaphoreSlim(0);
        int waiting = 0;
        var crew = new Crew(5, () =>
        {
            lock (_condition)
            {
                waiting++;
                Assert.True(Monitor.Wait(_condition, Patience.Step));
            }
            woken.Release();
        });
        bool AllWait()
        {
            lock (_condition)
            {
                return waiting == 5;
            }
        }
        Patience.Until(AllWait, "all wait");
        lock (_condition)
        {
            Monitor.Pulse(_condition);
            Monitor.Pulse(_condition);
            Monitor.Pulse(_condition);
        }
        for (int i = 0; i < 3; i++)
        {
            Assert.True(woken.Wait(Patience.Step, TestContext.Current.CancellationToken));
        }
        Assert.False(woken.Wait(Patience.Glance, TestContext.Current.CancellationToken));
        lock (_condition)
        {
            Monitor.PulseAll(_condition);
        }
        crew.End();
        Assert.Equal(2, woken.CurrentCount);
    }

    [Fact]
    public void A_wait_with_a_limit_says_whether_a_pulse_came() => Crew.Run(5, () =>
    {
        lock (_condition)
        {
            Assert.False(Monitor.Wait(_condition, Patience.Glance));
            Assert.True(Monitor.IsEntered(_condition));
        }
    });

    [Fact]
    public void Waiting_for_a_state_is_a_loop()
    {
        int state = 0;
        var crew = new Crew(1, () =>
        {
            lock (_condition)
            {
                while (state != 4)
                {
                    Assert.True(Monitor.Wait(_condition, Patience.Step));
                }
            }
        });
        for (int i = 0; i < 4; i++)
        {
            lock (_condition)
            {
                state++;
                Monitor.Pulse(_condition);
            }
        }
        crew.End();
        Assert.Equal(4, state);
    }
}
