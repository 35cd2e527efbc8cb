using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

public sealed class RegisteringTests
{
    private const int NeverOpen = 999_999;

    [Theory, EverySelector]
    public void A_key_says_what_was_registered(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        SelectorKey key = selector.Register(pair.First, Interest.Read, "data");
        Assert.Equal((pair.First.Number, Interest.Read, Trigger.Level, "data", true), (key.Descriptor, key.Interest, key.Trigger, key.Data, key.IsRegistered));
        Assert.Same(key, selector.GetKey(pair.First.Number));
        Assert.True(selector.TryGetKey(pair.First.Number, out SelectorKey? found));
        Assert.Same(key, found);
    }

    [Theory, EverySelector]
    public void A_socket_is_registered_by_its_descriptor(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        SelectorKey key = selector.Register(socket, Interest.Write);
        Assert.Equal((int)socket.Handle, key.Descriptor);
        ReadyEvent ready = Assert.Single(selector.Select(Waits.Patience));
        Assert.Equal(new ReadyEvent(key, Readiness.Writable), ready);
    }

    [Theory, EverySelector]
    public void A_descriptor_is_registered_once(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        SelectorKey key = selector.Register(pair.First, Interest.Read);
        Exception again = Assert.Throws<InvalidOperationException>(() => selector.Register(pair.First, Interest.Read));
        Assert.Equal($"Descriptor {key.Descriptor} is registered already, for Read. Modify that registration, or unregister it first.", again.Message);
        Assert.Throws<InvalidOperationException>(() => selector.Register(key.Descriptor, Interest.Write));
        Assert.Equal(Interest.Read, selector.GetKey(key.Descriptor).Interest);
    }

    [Theory, EverySelector]
    public void What_cannot_be_watched_is_refused_and_leaves_nothing_behind(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        Assert.Throws<ArgumentOutOfRangeException>("descriptor", () => selector.Register(-10, Interest.Read));
        Assert.Throws<ArgumentOutOfRangeException>("interest", () => selector.Register(pair.First, (Interest)99));
        Assert.Throws<ArgumentOutOfRangeException>("trigger", () => selector.Register(pair.First, Interest.Read, null, (Trigger)99));
        pair.First.Dispose();
        Assert.Throws<ObjectDisposedException>(() => selector.Register(pair.First, Interest.Read));
        Assert.Empty(selector.Keys);
    }

    [Theory, EverySelector]
    public void A_number_that_is_not_open_is_refused(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        // The highest number below what select can watch: nobody has it.
        const int Closed = 1023;
        Assert.False(DescriptorCalls.IsOpen(Closed));
        foreach (Interest interest in (Interest[])[Interest.Read, Interest.None])
        {
            BadDescriptorException e = Assert.Throws<BadDescriptorException>(() => selector.Register(Closed, interest));
            Assert.Equal(Errno.BadDescriptor, e.Errno);
            Assert.Contains($"descriptor {Closed} is not open (EBADF)", e.Message, StringComparison.Ordinal);
            Assert.Throws<KeyNotFoundException>(() => selector.GetKey(Closed));
        }
    }

    [Theory, EverySelector]
    public void Unregister_ends_a_registration_once(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        SelectorKey key = selector.Register(pair.First, Interest.Write);
        Assert.Same(key, selector.Unregister(key.Descriptor));
        Assert.False(key.IsRegistered);
        Assert.Empty(selector.Select(TimeSpan.Zero));
        Assert.Throws<KeyNotFoundException>(() => selector.Unregister(key.Descriptor));
        Assert.Throws<KeyNotFoundException>(() => selector.Unregister(key));
        Exception unknown = Assert.Throws<KeyNotFoundException>(() => selector.Unregister(NeverOpen));
        Assert.Equal($"Descriptor {NeverOpen} is not registered with this selector. Register it first.", unknown.Message);
    }

    [Theory, EverySelector]
    public void A_socket_is_unregistered_although_it_is_closed(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        SelectorKey key = selector.Register(socket, Interest.Read);
        socket.Dispose();
        Assert.Same(key, selector.Unregister(socket));
        Assert.Throws<KeyNotFoundException>(() => selector.Unregister(socket));
    }

    [Theory, EverySelector]
    public void A_closed_handle_does_not_end_the_registration_of_another(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        using DescriptorHandle sameNumber = new(pair.First.Number, ownsDescriptor: false);
        SelectorKey key = selector.Register(pair.First, Interest.Read);
        Assert.Throws<KeyNotFoundException>(() => selector.Unregister(sameNumber));
        Assert.True(key.IsRegistered);
    }

    [Theory, EverySelector]
    public void Modify_changes_interest_and_data_of_the_same_key(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        SelectorKey key = selector.Register(pair.First, Interest.Read, "first");
        Assert.Empty(selector.Select(TimeSpan.Zero));
        Assert.Same(key, selector.Modify(key.Descriptor, Interest.Write, "second"));
        Assert.Equal((Interest.Write, "second"), (key.Interest, key.Data));
        Assert.Equal([new ReadyEvent(key, Readiness.Writable)], selector.Select(Waits.Patience));
        selector.Modify(key.Descriptor, Interest.Write, "third");
        Assert.Equal((Interest.Write, "third"), (key.Interest, key.Data));
        selector.Modify(key, Interest.Read);
        Assert.Empty(selector.Select(TimeSpan.Zero));
        Assert.Equal("third", key.Data);
        Assert.Throws<KeyNotFoundException>(() => selector.Modify(NeverOpen, Interest.Read, null));
        Assert.Throws<ArgumentOutOfRangeException>("interest", () => selector.Modify(key, (Interest)8));
        selector.Unregister(key);
        Assert.Throws<KeyNotFoundException>(() => selector.Modify(key, Interest.Read));
    }

    [Theory, EverySelector]
    public void A_key_with_no_interest_is_silent_whatever_happens_until_it_is_taken_up_again(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        SelectorKey first = selector.Register(pair.First, Interest.None);
        pair.Second.WriteOrFail("x"u8);
        pair.Second.Dispose();
        Assert.Empty(selector.Select(TimeSpan.Zero));
        selector.Modify(first, Interest.Read);
        Assert.True(Assert.Single(selector.Select(Waits.Patience)).Ready.HasFlag(Readiness.Readable));
        selector.Modify(first, Interest.None);
        Assert.Empty(selector.Select(TimeSpan.Zero));
        Assert.Same(first, Assert.Single(selector.Keys));
    }

    [Theory, EverySelector]
    public void Keys_shows_what_is_registered_now_and_not_the_wake_up(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        IReadOnlyCollection<SelectorKey> keys = selector.Keys;
        Assert.Empty(keys);
        SelectorKey key = selector.Register(pair.First, Interest.Read);
        Assert.Equal([key], keys);
        selector.Unregister(key);
        Assert.Empty(keys);
        Assert.False(selector.TryGetKey(NeverOpen, out SelectorKey? none));
        Assert.Null(none);
    }

    [Theory, EverySelector]
    public void Dispose_ends_all_registrations_and_closes_none_of_their_descriptors(string name)
    {
        Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        SelectorKey first = selector.Register(pair.First, Interest.Read);
        SelectorKey second = selector.Register(pair.Second, Interest.Write);
        IReadOnlyCollection<SelectorKey> keys = selector.Keys;
        selector.Dispose();
        selector.Dispose();
        Assert.Empty(keys);
        Assert.False(first.IsRegistered || second.IsRegistered);
        Assert.True(DescriptorCalls.IsOpen(first.Descriptor) && DescriptorCalls.IsOpen(second.Descriptor));
        Assert.Throws<ObjectDisposedException>(() => selector.GetKey(first.Descriptor));
        Assert.Throws<ObjectDisposedException>(() => selector.TryGetKey(first.Descriptor, out _));
        Assert.Throws<ObjectDisposedException>(() => selector.Keys);
        Assert.Throws<ObjectDisposedException>(() => selector.Register(pair.First, Interest.Read));
        Assert.Throws<ObjectDisposedException>(() => selector.Modify(first, Interest.Write));
        Assert.Throws<ObjectDisposedException>(() => selector.Unregister(first));
        Assert.Throws<ObjectDisposedException>(() => selector.Select(TimeSpan.Zero));
        Assert.Throws<ObjectDisposedException>(() => selector.Select(new ReadyEvent[1], TimeSpan.Zero));
        selector.Wake();
    }

    [Theory, EverySelector]
    public void A_key_of_another_selector_is_refused(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Selector other = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        SelectorKey key = other.Register(pair.First, Interest.Read);
        Assert.Throws<KeyNotFoundException>(() => selector.Modify(key, Interest.Write));
        Assert.Throws<KeyNotFoundException>(() => selector.Unregister(key));
        Assert.True(key.IsRegistered);
    }

    [Fact]
    public void The_default_is_epoll_where_there_is_epoll()
    {
        using Selector selector = Selector.Default();
        Assert.Equal("epoll", selector.Name);
        Assert.True(selector.SupportsTriggers);
    }
}
