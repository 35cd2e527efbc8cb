using System.Diagnostics;
using CsCheck;
using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

public sealed class TimeoutTests
{
    // Ticks of 100 ns: most are no whole millisecond, and many no whole microsecond.
    private static readonly Gen<TimeSpan> _timeouts = Gen.Long[0, 60_000].Select(TimeSpan.FromTicks);

    [Theory, EverySelector]
    public void No_wait_ends_early(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        selector.Register(pair.First, Interest.Read);
        ReadyEvent[] ready = new ReadyEvent[1];
        _timeouts.Sample(timeout => Took(timeout, () => selector.Select(ready, timeout)), iter: 100, threads: 1);
    }

    [Fact]
    public void No_raw_wait_ends_early()
    {
        using Pair pair = new();
        Poll poll = new();
        poll.Register(pair.First.Number, PollEvents.Readable);
        using Epoll epoll = Epoll.Create();
        epoll.Register(pair.First.Number, EpollEvents.Readable);
        _timeouts.Sample(timeout => Took(timeout, () => RawSelect.Select([pair.First], [], [], timeout).Readable.Count)
            && Took(timeout, () => poll.Wait(timeout).Count)
            && Took(timeout, () => epoll.Wait(timeout).Count), iter: 50, threads: 1);
    }

    [Theory, EverySelector]
    public void A_time_without_registrations_is_waited_too(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        Assert.True(Took(Waits.Glance, () => selector.Select(Waits.Glance).Count));
    }

    [Theory, EverySelector]
    public void Zero_does_not_wait(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        selector.Register(pair.First, Interest.Read);
        SelectorKey writer = selector.Register(pair.Second, Interest.Write);
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < 100; i++)
        {
            Assert.Single(selector.Select(TimeSpan.Zero));
        }
        selector.Unregister(writer);
        for (int i = 0; i < 100; i++)
        {
            Assert.Empty(selector.Select(TimeSpan.Zero));
        }
        Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(10));
    }

    [Theory, EverySelector]
    public void Null_and_negative_wait_for_ever(string name)
    {
        foreach (TimeSpan? timeout in (TimeSpan?[])[null, Timeout.InfiniteTimeSpan, TimeSpan.FromTicks(-1), TimeSpan.FromSeconds(-1), TimeSpan.MinValue])
        {
            using Selector selector = EverySelectorAttribute.Make(name);
            using Pair pair = new();
            SelectorKey key = selector.Register(pair.First, Interest.Read);
            IReadOnlyList<ReadyEvent> ready = [];
            Thread waiter = new(() => ready = selector.Select(timeout));
            waiter.Start();
            Assert.False(waiter.Join(Waits.Glance), $"A wait of {timeout} ended by itself.");
            pair.Second.WriteOrFail("x"u8);
            waiter.JoinOrFail();
            Assert.Equal([new ReadyEvent(key, Readiness.Readable)], ready);
        }
    }

    [Theory, EverySelector]
    public void The_longest_time_is_a_wait_and_no_overflow(string name)
    {
        foreach (TimeSpan timeout in (TimeSpan[])[TimeSpan.MaxValue, TimeSpan.FromMilliseconds(int.MaxValue), TimeSpan.FromMilliseconds(uint.MaxValue)])
        {
            using Selector selector = EverySelectorAttribute.Make(name);
            Thread waiter = new(() => Assert.Empty(selector.Select(timeout)));
            waiter.Start();
            Assert.False(waiter.Join(Waits.Glance), $"A wait of {timeout} ended by itself.");
            selector.Wake();
            waiter.JoinOrFail();
        }
    }

    private static bool Took(TimeSpan timeout, Func<int> wait)
    {
        long started = Stopwatch.GetTimestamp();
        return wait() == 0 && Stopwatch.GetElapsedTime(started) >= timeout;
    }
}
