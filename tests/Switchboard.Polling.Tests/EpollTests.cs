using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

public sealed class EpollTests
{
    private const EpollEvents Both = EpollEvents.Readable | EpollEvents.Writable;

    [Fact]
    public void An_instance_is_open_until_it_is_closed()
    {
        Epoll epoll = Epoll.Create();
        int number = epoll.Descriptor;
        Assert.True(number > 0);
        Assert.False(epoll.IsClosed);
        Assert.Contains("eventpoll", File.ResolveLinkTarget($"/proc/self/fd/{number}", returnFinalTarget: false)!.FullName, StringComparison.Ordinal);
        epoll.Close();
        epoll.Close();
        Assert.True(epoll.IsClosed);
        Assert.Throws<ObjectDisposedException>(() => epoll.Descriptor);
        Assert.Throws<ObjectDisposedException>(() => epoll.Register(0));
        Assert.Throws<ObjectDisposedException>(() => epoll.Modify(0, Both));
        Assert.Throws<ObjectDisposedException>(() => epoll.Unregister(0));
        Assert.Throws<ObjectDisposedException>(() => epoll.Wait(TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void Using_closes_it()
    {
        Epoll epoll;
        using (epoll = Epoll.Create())
        {
            Assert.False(epoll.IsClosed);
        }
        Assert.True(epoll.IsClosed);
    }

    [Fact]
    public void A_new_instance_is_not_inherited_by_children()
    {
        using Epoll epoll = Epoll.Create();
        string flags = File.ReadLines($"/proc/self/fdinfo/{epoll.Descriptor}").Single(line => line.StartsWith("flags:", StringComparison.Ordinal));
        Assert.EndsWith("02000002", flags, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_watched_is_refused()
    {
        using Epoll epoll = Epoll.Create();
        using Pair pair = new();
        Assert.Throws<ArgumentOutOfRangeException>(() => epoll.Register(-1));
        Assert.Throws<BadDescriptorException>(() => epoll.Register(1020));
        epoll.Register(pair.First.Number, Both);
        Assert.Equal(Errno.Exists, Assert.Throws<SystemCallException>(() => epoll.Register(pair.First.Number, Both)).Errno);
        Assert.Equal(Errno.NoEntry, Assert.Throws<SystemCallException>(() => epoll.Modify(pair.Second.Number, Both)).Errno);
        Assert.Equal(Errno.NoEntry, Assert.Throws<SystemCallException>(() => epoll.Unregister(pair.Second.Number)).Errno);
        using var file = File.OpenHandle(Environment.ProcessPath!);
        Assert.Throws<NotPollableException>(() => epoll.Register((int)file.DangerousGetHandle()));
        Assert.Throws<ArgumentOutOfRangeException>(() => epoll.Wait(TimeSpan.Zero, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => epoll.Wait(TimeSpan.Zero, -2));
    }

    [Fact]
    public void Two_objects_on_one_instance_see_the_same()
    {
        using Pair pair = new();
        Epoll second;
        using (Epoll first = Epoll.Create())
        {
            second = Epoll.FromDescriptor(first.Descriptor, ownsDescriptor: false);
            second.Register(pair.First.Number, Both);
            second.Register(pair.Second.Number, Both);
            Assert.Equal(2, first.Wait(Waits.Patience, 4).Count);
            Assert.Equal(2, second.Wait(Waits.Patience, 4).Count);
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => Epoll.FromDescriptor(-1));
        second.Dispose();
    }

    [Fact]
    public void A_number_that_is_no_epoll_instance_fails_at_the_wait()
    {
        using Pair pair = new();
        using Epoll epoll = Epoll.FromDescriptor(pair.First.Number, ownsDescriptor: false);
        Assert.Equal(Errno.InvalidArgument, Assert.Throws<SystemCallException>(() => epoll.Wait(TimeSpan.Zero)).Errno);
        using Epoll closed = Epoll.FromDescriptor(1019, ownsDescriptor: false);
        Assert.Throws<BadDescriptorException>(() => closed.Wait(TimeSpan.Zero));
    }

    [Fact]
    public void Edges_are_answered_once_and_levels_after_modify()
    {
        using Epoll epoll = Epoll.Create();
        using Pair pair = new();
        (int client, int server) = (pair.First.Number, pair.Second.Number);
        epoll.Register(server, Both | EpollEvents.EdgeTriggered);
        epoll.Register(client, Both | EpollEvents.EdgeTriggered);
        Assert.Equal([new EpollResult(client, EpollEvents.Writable), new EpollResult(server, EpollEvents.Writable)], Sorted(epoll.Wait(Waits.Patience, 4)));
        Assert.Empty(epoll.Wait(TimeSpan.FromMilliseconds(20), 4));
        pair.First.WriteOrFail("Hello!"u8);
        pair.Second.WriteOrFail("world!!!"u8);
        Assert.Equal([new EpollResult(client, Both), new EpollResult(server, Both)], Sorted(epoll.Wait(Waits.Patience, 4)));
        epoll.Unregister(client);
        epoll.Modify(server, EpollEvents.Writable);
        Assert.Equal([new EpollResult(server, EpollEvents.Writable)], epoll.Wait(Waits.Patience, 4));
        Assert.Equal([new EpollResult(server, EpollEvents.Writable)], epoll.Wait(Waits.Patience, 4));
    }

    [Fact]
    public void A_limit_of_events_is_kept_and_the_rest_comes_next()
    {
        using Epoll epoll = Epoll.Create();
        using Pair pair = new();
        epoll.Register(pair.First.Number);
        epoll.Register(pair.Second.Number);
        int first = Assert.Single(epoll.Wait(Waits.Patience, 1)).Descriptor;
        int second = Assert.Single(epoll.Wait(Waits.Patience, 1)).Descriptor;
        Assert.NotEqual(first, second);
        Assert.Equal(2, epoll.Wait(Waits.Patience).Count);
    }

    [Fact]
    public void Unregistering_a_closed_number_is_refused()
    {
        using Epoll epoll = Epoll.Create();
        using Pair pair = new();
        using DescriptorHandle copy = DescriptorCalls.Duplicate(pair.First.Number, 900);
        int number = copy.Number;
        epoll.Register(number);
        Assert.Single(epoll.Wait(Waits.Patience, 4));
        copy.Dispose();
        Assert.Equal(Errno.BadDescriptor, Assert.Throws<BadDescriptorException>(() => epoll.Unregister(number)).Errno);
    }

    [Fact]
    public void The_numbers_of_the_flags_are_those_of_the_manual()
    {
        // From sys/epoll.h, the same on x64 and arm64.
        Assert.Equal(
            [0x001u, 0x002u, 0x004u, 0x008u, 0x010u, 0x040u, 0x080u, 0x100u, 0x200u, 0x400u, 0x2000u, 1u << 28, 1u << 29, 1u << 30, 1u << 31],
            Enum.GetValues<EpollEvents>().Select(flag => (uint)flag).Where(flag => flag != 0).Order());
    }

    private static EpollResult[] Sorted(IReadOnlyList<EpollResult> ready) => [.. ready.OrderBy(one => one.Descriptor)];
}
