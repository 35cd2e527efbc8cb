namespace Switchboard.Polling.Tests;

public sealed class TriggerTests
{
    [Theory]
    [InlineData("select")]
    [InlineData("poll")]
    public void Select_and_poll_know_levels_only_and_say_so(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        Assert.False(selector.SupportsTriggers);
        foreach (Trigger trigger in (Trigger[])[Trigger.Edge, Trigger.OneShot, Trigger.Edge | Trigger.OneShot])
        {
            ArgumentException e = Assert.Throws<ArgumentException>("trigger", () => selector.Register(pair.First, Interest.Read, null, trigger));
            Assert.StartsWith($"{name} reports levels only: it has no trigger {trigger}. Use Trigger.Level, or an EpollSelector.", e.Message, StringComparison.Ordinal);
        }
        Assert.Empty(selector.Keys);
    }

    [Theory, EverySelector]
    public void A_level_is_reported_as_long_as_it_lasts(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        selector.Register(pair.First, Interest.Read);
        pair.Second.WriteOrFail("ab"u8);
        Assert.Single(selector.Select(TimeSpan.Zero));
        pair.First.ReadOrFail(most: 1);
        Assert.Single(selector.Select(TimeSpan.Zero));
        pair.First.ReadOrFail(most: 1);
        Assert.Empty(selector.Select(TimeSpan.Zero));
    }

    [Fact]
    public void An_edge_is_reported_once_for_each_change_and_after_modify()
    {
        using EpollSelector selector = new();
        using Pair pair = new();
        SelectorKey key = selector.Register(pair.First, Interest.Read, null, Trigger.Edge);
        Assert.Empty(selector.Select(TimeSpan.Zero));
        pair.Second.WriteOrFail("a"u8);
        Assert.Single(selector.Select(Waits.Patience));
        Assert.Empty(selector.Select(TimeSpan.Zero));
        pair.Second.WriteOrFail("b"u8);
        Assert.Single(selector.Select(Waits.Patience));
        Assert.Empty(selector.Select(TimeSpan.Zero));
        selector.Modify(key, Interest.Read);
        Assert.Single(selector.Select(Waits.Patience));
        Assert.Empty(selector.Select(TimeSpan.Zero));
    }

    [Fact]
    public void A_small_destination_loses_no_edge()
    {
        using EpollSelector selector = new();
        List<Pair> pairs = [.. Enumerable.Range(0, 20).Select(_ => new Pair())];
        pairs.ForEach(pair => selector.Register(pair.First, Interest.Write, null, Trigger.Edge));
        HashSet<SelectorKey> seen = [];
        ReadyEvent[] few = new ReadyEvent[3];
        selector.Wake();
        for (int turn = 0; turn < 20 && seen.Count < 20; turn++)
        {
            int count = selector.Select(few, TimeSpan.Zero);
            Assert.All(few.AsSpan(0, count).ToArray(), ready => Assert.True(seen.Add(ready.Key), "An edge was reported twice."));
        }
        Assert.Equal(20, seen.Count);
        pairs.ForEach(pair => pair.Dispose());
    }

    [Fact]
    public void One_shot_is_silent_until_modify_takes_it_up_again()
    {
        using EpollSelector selector = new();
        using Pair pair = new();
        SelectorKey key = selector.Register(pair.First, Interest.Read | Interest.Write, null, Trigger.OneShot);
        Assert.Equal([new ReadyEvent(key, Readiness.Writable)], selector.Select(Waits.Patience));
        pair.Second.WriteOrFail("x"u8);
        Assert.Empty(selector.Select(TimeSpan.Zero));
        selector.Modify(key, Interest.Read | Interest.Write);
        Assert.Equal([new ReadyEvent(key, Readiness.Readable | Readiness.Writable)], selector.Select(Waits.Patience));
        Assert.Empty(selector.Select(TimeSpan.Zero));
        selector.Modify(key, Interest.None);
        selector.Modify(key, Interest.Read);
        Assert.Equal([new ReadyEvent(key, Readiness.Readable)], selector.Select(Waits.Patience));
        pair.Second.Dispose();
        Assert.Empty(selector.Select(TimeSpan.Zero));
    }
}
