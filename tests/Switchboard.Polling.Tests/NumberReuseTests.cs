using System.Diagnostics;
using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

/// <summary>What becomes of a registration whose descriptor is closed, and of its number when it is in use again. The
/// numbers are high ones, which nothing else in the process is given.</summary>
[Collection(nameof(DescriptorNumbers))]
public sealed class NumberReuseTests
{
    private const int Number = 800;

    [Theory, EverySelector]
    public void An_event_of_one_batch_never_reaches_the_new_owner_of_its_number(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair first = new();
        using Pair old = new();
        using Pair @new = new();
        SelectorKey closer = selector.Register(first.First, Interest.Read);
        DescriptorHandle closed = DescriptorCalls.Duplicate(old.First.Number, Number);
        SelectorKey oldOwner = selector.Register(closed, Interest.Read);
        first.Second.WriteOrFail("x"u8);
        old.Second.WriteOrFail("x"u8);
        ReadyEvent[] batch = new ReadyEvent[4];
        Assert.Equal(2, selector.Select(batch, Waits.Patience));
        Assert.Contains(batch, ready => ready.Key == closer);
        Assert.Contains(batch, ready => ready.Key == oldOwner);

        // What the owner of the first does while the second event of the batch waits for its turn.
        selector.Unregister(oldOwner);
        closed.Dispose();
        using DescriptorHandle reused = DescriptorCalls.Duplicate(@new.First.Number, Number);
        Assert.Equal(oldOwner.Descriptor, reused.Number);
        SelectorKey newOwner = selector.Register(reused, Interest.Read);

        Assert.False(oldOwner.IsRegistered);
        Assert.NotSame(oldOwner, newOwner);
        Assert.Equal([new ReadyEvent(closer, Readiness.Readable)], selector.Select(TimeSpan.Zero));
    }

    [Theory, EverySelector]
    public void Descriptors_closed_before_they_are_unregistered_are_forgotten(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        (DescriptorHandle reader, DescriptorHandle writer) = SocketCalls.CreatePair();
        int r = selector.Register(reader, Interest.Read).Descriptor;
        int w = selector.Register(writer, Interest.Write).Descriptor;
        reader.Dispose();
        writer.Dispose();
        selector.Unregister(r);
        selector.Unregister(w);
        Assert.Empty(selector.Keys);
        Assert.Empty(selector.Select(TimeSpan.Zero));
    }

    [Theory, EverySelector]
    public void Descriptors_whose_numbers_are_in_use_again_are_forgotten(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair old = new();
        using Pair @new = new();
        DescriptorHandle closed = DescriptorCalls.Duplicate(old.First.Number, Number);
        int number = selector.Register(closed, Interest.Write).Descriptor;
        DescriptorCalls.DuplicateOnto(@new.First.Number, number);
        SelectorKey key = selector.Unregister(number);
        Assert.False(key.IsRegistered);
        // old.First is a copy that keeps the old file open, and the number is open on the new one: neither is watched.
        AssertQuiet(selector);
        closed.Dispose();
    }

    [Theory, EverySelector]
    public void A_copy_that_keeps_a_closed_file_open_reports_nothing_and_burns_no_time(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        using Pair other = new();
        DescriptorHandle closed = DescriptorCalls.Duplicate(pair.First.Number, Number);
        SelectorKey key = selector.Register(closed, Interest.Write);
        SelectorKey alive = selector.Register(other.First, Interest.Read);
        closed.Dispose();
        selector.Unregister(key);
        AssertQuiet(selector);
        other.Second.WriteOrFail("x"u8);
        Assert.Equal([new ReadyEvent(alive, Readiness.Readable)], selector.Select(Waits.Patience));
        selector.Wake();
        selector.Modify(alive, Interest.None);
        Assert.Empty(selector.Select(Waits.Patience));
        AssertQuiet(selector);
    }

    [Theory, EverySelector]
    public void A_later_registration_does_not_get_the_events_of_a_closed_file(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        using Pair other = new();
        DescriptorHandle closed = DescriptorCalls.Duplicate(pair.First.Number, Number);
        SelectorKey old = selector.Register(closed, Interest.Write);
        closed.Dispose();
        selector.Unregister(old);
        // It takes the place of the old one in the selector's own table.
        SelectorKey next = selector.Register(other.First, Interest.Read);
        AssertQuiet(selector);
        Assert.True(next.IsRegistered);
    }

    [Theory, EverySelector]
    public void A_closed_descriptor_that_is_watched_for_nothing_any_more_is_silent_although_a_copy_is_open(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        DescriptorHandle closed = DescriptorCalls.Duplicate(pair.First.Number, Number);
        SelectorKey key = selector.Register(closed, Interest.Write);
        closed.Dispose();
        selector.Modify(key, Interest.None);
        AssertQuiet(selector);
        Assert.Same(key, selector.Unregister(key.Descriptor));
    }

    [Theory, EverySelector]
    public void An_event_of_a_closed_file_in_the_middle_of_a_wait_neither_ends_nor_prolongs_it(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        DescriptorHandle closed = DescriptorCalls.Duplicate(pair.First.Number, Number);
        SelectorKey key = selector.Register(closed, Interest.Read);
        closed.Dispose();
        selector.Unregister(key);
        TimeSpan time = TimeSpan.FromSeconds(1);
        TimeSpan took = default;
        Thread waiter = new(() =>
        {
            long started = Stopwatch.GetTimestamp();
            Assert.Empty(selector.Select(time));
            took = Stopwatch.GetElapsedTime(started);
        });
        waiter.Start();
        Assert.False(waiter.Join(time * 0.7));
        pair.Second.WriteOrFail("x"u8);
        waiter.JoinOrFail();
        Assert.InRange(took, time, time * 1.5);
    }

    [Theory, EverySelector]
    public void A_file_that_gets_its_old_number_back_can_be_registered_again(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        DescriptorHandle closed = DescriptorCalls.Duplicate(pair.First.Number, Number);
        SelectorKey old = selector.Register(closed, Interest.Write);
        closed.Dispose();
        selector.Unregister(old);
        using DescriptorHandle again = DescriptorCalls.Duplicate(pair.First.Number, Number);
        Assert.Equal(old.Descriptor, again.Number);
        SelectorKey key = selector.Register(again, Interest.Write);
        Assert.Equal([new ReadyEvent(key, Readiness.Writable)], selector.Select(Waits.Patience));
        selector.Unregister(key);
        AssertQuiet(selector);
    }

    [Theory]
    [InlineData("select")]
    [InlineData("poll")]
    public void A_descriptor_closed_while_registered_is_an_error_event_beside_the_others(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        DescriptorHandle closed = DescriptorCalls.Duplicate(pair.First.Number, Number);
        SelectorKey key = selector.Register(closed, Interest.Read);
        SelectorKey silent = selector.Register(pair.First, Interest.Read);
        SelectorKey writer = selector.Register(pair.Second, Interest.Write);
        closed.Dispose();
        ReadyEvent[] expected = [new(key, Readiness.Readable | Readiness.Error), new(writer, Readiness.Writable)];
        Assert.Equal(expected, selector.Select(Waits.Patience).OrderByDescending(ready => ready.Key.Descriptor));
        selector.Unregister(key);
        Assert.Equal([new ReadyEvent(writer, Readiness.Writable)], selector.Select(Waits.Patience));
        Assert.True(silent.IsRegistered);
    }

    [Fact]
    public void Epoll_says_nothing_of_a_descriptor_closed_while_registered_and_refuses_to_modify_it()
    {
        using EpollSelector selector = new();
        (DescriptorHandle reader, DescriptorHandle writer) = SocketCalls.CreatePair();
        SelectorKey key = selector.Register(writer, Interest.Write);
        writer.Dispose();
        reader.Dispose();
        Assert.Empty(selector.Select(TimeSpan.Zero));
        BadDescriptorException e = Assert.Throws<BadDescriptorException>(() => selector.Modify(key, Interest.Read));
        Assert.Contains($"descriptor {key.Descriptor}", e.Message, StringComparison.Ordinal);
        Assert.False(key.IsRegistered);
        Assert.Empty(selector.Keys);
    }

    [Fact]
    public void Epoll_refuses_to_modify_a_registration_whose_number_is_another_file_now_and_ends_it()
    {
        using EpollSelector selector = new();
        using Pair old = new();
        using Pair @new = new();
        using DescriptorHandle closed = DescriptorCalls.Duplicate(old.First.Number, Number);
        SelectorKey key = selector.Register(closed, Interest.Read);
        DescriptorCalls.DuplicateOnto(@new.First.Number, closed.Number);
        BadDescriptorException e = Assert.Throws<BadDescriptorException>(() => selector.Modify(key, Interest.Write));
        Assert.Contains("as it was registered", e.Message, StringComparison.Ordinal);
        Assert.False(key.IsRegistered);
        AssertQuiet(selector);
    }

    [Fact]
    public void A_rebuilt_epoll_instance_keeps_triggers_and_does_not_arm_what_has_fired()
    {
        using EpollSelector selector = new();
        using Pair once = new();
        using Pair edge = new();
        using Pair pair = new();
        SelectorKey fired = selector.Register(once.First, Interest.Write, null, Trigger.OneShot);
        Assert.Equal([new ReadyEvent(fired, Readiness.Writable)], selector.Select(Waits.Patience));
        SelectorKey armed = selector.Register(once.Second, Interest.Read, null, Trigger.OneShot);
        SelectorKey edged = selector.Register(edge.First, Interest.Read, null, Trigger.Edge);

        DescriptorHandle closed = DescriptorCalls.Duplicate(pair.First.Number, Number);
        SelectorKey stale = selector.Register(closed, Interest.Write);
        closed.Dispose();
        selector.Unregister(stale);
        AssertQuiet(selector);

        once.First.WriteOrFail("x"u8);
        edge.Second.WriteOrFail("x"u8);
        Assert.Equal([armed, edged], selector.Select(Waits.Patience).Select(ready => ready.Key).OrderBy(key => key == edged));
        Assert.Empty(selector.Select(TimeSpan.Zero));
        selector.Modify(fired, Interest.Write);
        Assert.Equal([new ReadyEvent(fired, Readiness.Writable)], selector.Select(Waits.Patience));
    }

    [Fact]
    public void Select_does_not_watch_numbers_beyond_1023_and_says_what_does()
    {
        using Pair pair = new();
        DescriptorHandle high;
        try
        {
            high = DescriptorCalls.Duplicate(pair.First.Number, 1500);
        }
        catch (SystemCallException e)
        {
            Assert.Skip($"No number beyond 1,023 can be had (ulimit -n): {e.Message}");
            return;
        }
        using (high)
        {
            using SelectSelector select = new();
            Assert.Contains("Use poll or epoll", Assert.Throws<ArgumentOutOfRangeException>(() => select.Register(high, Interest.Read)).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentOutOfRangeException>(() => select.Register(high, Interest.None));
            Assert.Empty(select.Keys);
            Assert.Contains("Use poll or epoll", Assert.Throws<ArgumentOutOfRangeException>(() => RawSelect.Select([high], [], [], TimeSpan.Zero)).Message, StringComparison.Ordinal);
            using DescriptorHandle highest = DescriptorCalls.Duplicate(pair.First.Number, DescriptorSet.Capacity - 1);
            Assert.Equal(DescriptorSet.Capacity - 1, highest.Number);
            select.Register(highest, Interest.Write);
            Assert.Single(select.Select(Waits.Patience));
            foreach (Selector other in (Selector[])[new PollSelector(), new EpollSelector()])
            {
                SelectorKey key = other.Register(high, Interest.Write);
                Assert.Equal([new ReadyEvent(key, Readiness.Writable)], other.Select(Waits.Patience));
                other.Dispose();
            }
        }
    }

    [Theory]
    [InlineData("poll")]
    [InlineData("epoll")]
    public void Thousands_of_descriptors_are_watched_at_once(string name)
    {
        const int Pairs = 1500;
        List<Pair> pairs = [];
        try
        {
            using Selector selector = EverySelectorAttribute.Make(name);
            for (int i = 0; i < Pairs; i++)
            {
                Pair pair = new();
                pairs.Add(pair);
                selector.Register(pair.First, Interest.Read);
                selector.Register(pair.Second, Interest.Write);
            }
            Assert.True(pairs[^1].Second.Number > DescriptorSet.Capacity);
            Assert.Equal(Pairs, selector.Select(Waits.Patience).Count);
            pairs[^1].Second.WriteOrFail("x"u8);
            IReadOnlyList<ReadyEvent> ready = selector.Select(Waits.Patience);
            Assert.Equal(Pairs + 1, ready.Count);
            Assert.Contains(new ReadyEvent(selector.GetKey(pairs[^1].First.Number), Readiness.Readable), ready);
        }
        catch (DescriptorLimitException e)
        {
            Assert.Skip(e.Message);
        }
        finally
        {
            pairs.ForEach(pair => pair.Dispose());
        }
    }

    /// <summary>Nothing is reported, the whole time is waited, and the thread sleeps meanwhile.</summary>
    private static void AssertQuiet(Selector selector)
    {
        TimeSpan time = TimeSpan.FromMilliseconds(100);
        TimeSpan worked = ThreadTime();
        long started = Stopwatch.GetTimestamp();
        Assert.Empty(selector.Select(time));
        Assert.InRange(Stopwatch.GetElapsedTime(started), time, Waits.Patience);
        Assert.InRange(ThreadTime() - worked, TimeSpan.Zero, time / 2);
    }

    private static TimeSpan ThreadTime() =>
        TimeSpan.FromMicroseconds(long.Parse(File.ReadAllText("/proc/thread-self/schedstat").Split(' ')[0]) / 1000);
}
