namespace Switchboard.Workers.Tests;

// What docs/from-python.md says of the types that stand for Python's Event.
public sealed class BaseLibraryEventsTests
{
    [Fact]
    public void An_event_stays_as_it_was_left()
    {
        using var signal = new ManualResetEventSlim();
        Assert.False(signal.IsSet);
        signal.Set();
        signal.Set();
        Assert.True(signal.IsSet);
        signal.Reset();
        signal.Reset();
        Assert.False(signal.IsSet);
    }

    [Fact]
    public void A_set_event_lets_all_waiters_through_and_those_who_come_later()
    {
        using var signal = new ManualResetEventSlim();
        int passed = 0;
        for (int round = 1; round <= 2; round++)
        {
            var crew = new Crew(5, () =>
            {
                signal.Wait();
                signal.Wait();
                Interlocked.Increment(ref passed);
            });
            crew.UntilBlocked(5);
            Assert.Equal(5 * (round - 1), passed);
            signal.Set();
            crew.End();
            Assert.Equal(5 * round, passed);
            signal.Reset();
        }
    }

    [Fact]
    public void A_wait_with_a_limit_says_whether_the_event_was_set()
    {
        using var signal = new ManualResetEventSlim();
        Crew.Run(5, () => Assert.False(signal.Wait(0)));
        Crew.Run(5, () => Assert.False(signal.Wait(Patience.Glance)));
        signal.Set();
        Crew.Run(5, () => Assert.True(signal.Wait(0) && signal.Wait(Patience.Glance)));
    }

    // ManualResetEventSlim does not promise this: its waiters look at the flag again when they wake.
    [Fact]
    public void A_kernel_event_lets_its_waiters_through_although_it_is_reset_at_once()
    {
        using var signal = new ManualResetEvent(initialState: false);
        var crew = new Crew(5, () => Assert.True(signal.WaitOne(Patience.Step)));
        crew.UntilBlocked(5);
        signal.Set();
        signal.Reset();
        crew.End();
    }
}
