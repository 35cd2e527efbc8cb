using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

public sealed class SelectingTests
{
    [Theory, EverySelector]
    public void Only_what_is_ready_is_reported(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        selector.Register(pair.First, Interest.Read);
        SelectorKey writer = selector.Register(pair.Second, Interest.Write);
        Assert.Equal([new ReadyEvent(writer, Readiness.Writable)], selector.Select());
    }

    [Theory, EverySelector]
    public void Reading_and_writing_come_in_one_event(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        pair.Second.WriteOrFail("foo"u8);
        SelectorKey key = selector.Register(pair.First, Interest.Read | Interest.Write);
        Assert.Equal([new ReadyEvent(key, Readiness.Readable | Readiness.Writable)], selector.Select());
    }

    [Theory, EverySelector]
    public void Messages_go_from_twelve_writers_to_their_readers(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        Dictionary<DescriptorHandle, DescriptorHandle> readerOf = [];
        for (int i = 0; i < 12; i++)
        {
            (DescriptorHandle reader, DescriptorHandle writer) = SocketCalls.CreatePair();
            selector.Register(reader, Interest.Read, reader);
            selector.Register(writer, Interest.Write, writer);
            readerOf[writer] = reader;
        }
        Random random = new(1);
        int messages = 0;
        while (readerOf.Count > 0)
        {
            DescriptorHandle[] writers = Matching(selector.Select(), Readiness.Writable);
            Assert.Equal(readerOf.Count, writers.Length);
            DescriptorHandle writer = writers[random.Next(writers.Length)];
            writer.WriteOrFail(" This is a test."u8);
            DescriptorHandle reader = Assert.Single(Matching(selector.Select(), Readiness.Readable));
            Assert.Same(readerOf[writer], reader);
            Assert.Equal(16, reader.ReadOrFail());
            messages++;
            selector.Unregister(writer);
            selector.Unregister(reader);
            readerOf.Remove(writer);
            writer.Dispose();
            reader.Dispose();
        }
        Assert.Equal(12, messages);
    }

    [Theory, EverySelector]
    public void What_is_ready_beyond_the_destination_comes_with_the_next_calls_in_turn(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        List<DescriptorHandle> ends = [];
        for (int i = 0; i < 10; i++)
        {
            (DescriptorHandle first, DescriptorHandle second) = SocketCalls.CreatePair();
            ends.AddRange(first, second);
            selector.Register(first, Interest.Write);
        }
        Dictionary<int, int> seen = [];
        ReadyEvent[] few = new ReadyEvent[3];
        for (int round = 0; round < 100; round++)
        {
            int count = selector.Select(few, TimeSpan.Zero);
            Assert.Equal(3, count);
            foreach (ReadyEvent ready in few)
            {
                seen[ready.Key.Descriptor] = seen.GetValueOrDefault(ready.Key.Descriptor) + 1;
            }
        }
        Assert.Equal(10, seen.Count);
        Assert.All(seen.Values, times => Assert.InRange(times, 29, 31));
        Assert.Equal(10, selector.Select(TimeSpan.Zero).Count);
        ends.ForEach(end => end.Dispose());
    }

    [Theory, EverySelector]
    public void Turns_go_on_although_the_destination_holds_one_and_registrations_come_and_go(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        List<Pair> pairs = [.. Enumerable.Range(0, 5).Select(_ => new Pair())];
        pairs.ForEach(pair => selector.Register(pair.First, Interest.Write));
        ReadyEvent[] one = new ReadyEvent[1];
        for (int round = 0; round < 4; round++)
        {
            HashSet<SelectorKey> seen = [];
            while (seen.Count < selector.Keys.Count)
            {
                Assert.Equal(1, selector.Select(one, TimeSpan.Zero));
                Assert.True(one[0].Key.IsRegistered);
                Assert.True(seen.Add(one[0].Key), "One was reported twice before all had their turn.");
            }
            selector.Unregister(pairs[round].First.Number);
        }
        pairs.ForEach(pair => pair.Dispose());
    }

    [Theory, EverySelector]
    public void No_registration_and_no_time_answers_nothing(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        Assert.Empty(selector.Select(TimeSpan.Zero));
        Assert.Equal(0, selector.Select(new ReadyEvent[1], TimeSpan.Zero));
        Assert.Throws<ArgumentException>("destination", () => selector.Select([], TimeSpan.Zero));
    }

    [Theory, EverySelector]
    public void A_second_thread_in_select_is_refused_and_so_is_any_change(string name)
    {
        Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        SelectorKey key = selector.Register(pair.First, Interest.Read);
        Thread waiter = new(() =>
        {
            while (true)
            {
                try
                {
                    selector.Select(Waits.Patience);
                    return;
                }
                catch (InvalidOperationException)
                {
                    // The test's thread was in first, for an instant.
                }
            }
        });
        waiter.Start();
        Exception? refused = null;
        Assert.True(SpinWait.SpinUntil(() => (refused = Record.Exception(() => selector.Select(TimeSpan.Zero))) is not null, Waits.Patience));
        Assert.Equal("Another thread is in this selector's Select. A selector belongs to one thread at a time; only Wake may be called from others.",
            Assert.IsType<InvalidOperationException>(refused).Message);
        Assert.Throws<InvalidOperationException>(() => selector.Select(new ReadyEvent[1], TimeSpan.Zero));
        Assert.Throws<InvalidOperationException>(() => selector.Register(pair.Second, Interest.Read));
        Assert.Throws<InvalidOperationException>(() => selector.Modify(key, Interest.Write));
        Assert.Throws<InvalidOperationException>(() => selector.Unregister(key));
        Assert.Throws<InvalidOperationException>(selector.Dispose);
        pair.Second.WriteOrFail("x"u8);
        waiter.JoinOrFail();
        selector.Dispose();
    }

    [Theory, EverySelector]
    public void A_wait_and_a_change_allocate_nothing(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        SelectorKey key = selector.Register(pair.First, Interest.Read);
        SelectorKey writer = selector.Register(pair.Second, Interest.Write);
        ReadyEvent[] ready = new ReadyEvent[4];
        long allocated = long.MaxValue;
        // The first rounds run code that is not compiled to its end yet.
        for (int round = 0; round < 5 && allocated != 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 200; i++)
            {
                selector.Modify(key, (i & 1) == 0 ? Interest.Read | Interest.Write : Interest.None);
                if (selector.Select(ready, Waits.Patience) != 2 - (i & 1))
                {
                    Assert.Fail("The wrong number of descriptors was ready.");
                }
                selector.Wake();
            }
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        Assert.Equal(0, allocated);
        Assert.True(writer.IsRegistered);
    }

    private static DescriptorHandle[] Matching(IReadOnlyList<ReadyEvent> ready, Readiness readiness) =>
        [.. ready.Where(one => (one.Ready & readiness) != 0).Select(one => (DescriptorHandle)one.Key.Data!)];
}
