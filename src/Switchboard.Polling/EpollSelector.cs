using System.Diagnostics;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>A selector on <c>epoll(7)</c>: a Select costs time only for what is ready, however much is registered.</summary>
public sealed class EpollSelector : Selector
{
    private static readonly TimeSpan _untilAskedAgain = TimeSpan.FromMilliseconds(1);
    private const ulong WakeData = ulong.MaxValue;

    private readonly DescriptorHandle _epoll;
    private readonly Stack<int> _freeSlots = new();
    private SelectorKey?[] _slots = new SelectorKey?[16];
    private EpollEventBuffer _buffer = new(16);
    private int _usedSlots;
    private uint _generation;

    /// <summary>Makes a selector without registrations.</summary>
    /// <exception cref="DescriptorLimitException">No descriptor is free.</exception>
    /// <exception cref="SystemCallException">This kernel has no epoll.</exception>
    public EpollSelector()
    {
        _epoll = MultiplexCalls.CreateEpoll();
        WatchWake(_epoll);
    }

    /// <inheritdoc/>
    public override string Name => "epoll";

    /// <inheritdoc/>
    public override bool SupportsTriggers => true;

    private protected override void Add(SelectorKey key)
    {
        if (!_freeSlots.TryPop(out int slot))
        {
            slot = _usedSlots++;
            if (slot == _slots.Length)
            {
                Array.Resize(ref _slots, slot * 2);
            }
        }
        key.Slot = slot;
        key.Generation = ++_generation;
        CallResult result = Watch(key, key.Interest);
        if (!result.Succeeded)
        {
            _freeSlots.Push(slot);
            throw Refused(key, result);
        }
        if (key.Interest == Interest.None)
        {
            Unwatch(key);
        }
        _slots[slot] = key;
    }

    private protected override void Change(SelectorKey key, Interest interest)
    {
        if (interest == Interest.None)
        {
            Unwatch(key);
            return;
        }
        key.IsDisarmed = false;
        if ((key.Trigger & Trigger.Exclusive) != 0)
        {
            // The kernel modifies no exclusive watch.
            Unwatch(key);
        }
        CallResult result = key.IsWatched
            ? MultiplexCalls.EpollModify(_epoll.Number, key.Descriptor, Asked(key, interest), DataOf(key))
            : Watch(key, interest);
        if (!result.Succeeded)
        {
            throw Refused(key, result);
        }
    }

    private protected override void Remove(SelectorKey key, bool closing)
    {
        // The last close of a descriptor takes it out too, at no cost. If a copy of it is open somewhere, its events are
        // found stale.
        if (!closing)
        {
            Unwatch(key);
        }
        _slots[key.Slot] = null;
        _freeSlots.Push(key.Slot);
    }

    private protected override int Wait(Span<ReadyEvent> destination, TimeSpan? timeout)
    {
        if (_buffer.Capacity < destination.Length)
        {
            _buffer = new EpollEventBuffer(destination.Length);
        }
        TimeSpan? left = timeout;
        long started = timeout > TimeSpan.Zero ? Stopwatch.GetTimestamp() : 0;
        while (true)
        {
            int ready = MultiplexCalls.EpollWait(_epoll.Number, _buffer, left, destination.Length);
            int found = 0;
            bool woken = false;
            bool stale = false;
            for (int i = 0; i < ready; i++)
            {
                (EpollEvents events, ulong data) = _buffer[i];
                if (data == WakeData)
                {
                    AnswerWake();
                    woken = true;
                }
                else if (_slots[(uint)data] is { IsWatched: true } key && key.Generation == (uint)(data >> 32))
                {
                    key.IsDisarmed = (key.Trigger & Trigger.OneShot) != 0;
                    destination[found++] = new ReadyEvent(key, KernelEvents.Answered((PollEvents)(ushort)events, key.Interest));
                }
                else
                {
                    stale = true;
                }
            }
            bool cleared = !stale || TryRebuild();
            if (found > 0 || woken || ready == 0)
            {
                return found;
            }
            if (!cleared)
            {
                MultiplexCalls.Poll([new PollDescriptor(WakeDescriptor, PollEvents.Readable)], _untilAskedAgain);
            }
            if (started != 0)
            {
                left = timeout - Stopwatch.GetElapsedTime(started);
                left = left > TimeSpan.Zero ? left : TimeSpan.Zero;
            }
        }
    }

    private protected override void Close() => _epoll.Dispose();

    // A descriptor that was closed before it was unregistered is still in the instance as long as a copy of it is open,
    // and nothing can take it out. A new instance on the same number has what is registered and nothing else. If the
    // kernel has none to give, the old one stays in use, and its next stale event asks again.
    private bool TryRebuild()
    {
        try
        {
            using DescriptorHandle fresh = MultiplexCalls.CreateEpoll();
            WatchWake(fresh);
            foreach (SelectorKey? key in _slots.AsSpan(0, _usedSlots))
            {
                if (key is not { IsWatched: true })
                {
                    continue;
                }
                // One that has fired its one shot stays out until it is modified, one that was closed for ever.
                key.IsWatched = !key.IsDisarmed;
                if (key.IsWatched && MultiplexCalls.EpollAdd(fresh.Number, key.Descriptor, Asked(key, key.Interest), DataOf(key)) is { Succeeded: false } result)
                {
                    if (result.Errno is Errno.NoMemory or Errno.NoSpace)
                    {
                        return false;
                    }
                    key.IsWatched = false;
                }
            }
            DescriptorCalls.DuplicateOnto(fresh.Number, _epoll.Number);
            return true;
        }
        catch (SystemCallException)
        {
            return false;
        }
    }

    private void WatchWake(DescriptorHandle epoll) =>
        MultiplexCalls.EpollAdd(epoll.Number, WakeDescriptor, EpollEvents.Readable, WakeData).OrThrow("epoll_ctl", "the wake-up descriptor");

    private CallResult Watch(SelectorKey key, Interest interest)
    {
        CallResult result = MultiplexCalls.EpollAdd(_epoll.Number, key.Descriptor, Asked(key, interest), DataOf(key));
        if (result.Errno == Errno.Exists)
        {
            // Closed while registered, kept open by a copy, and now the copy was given the old number back.
            result = MultiplexCalls.EpollModify(_epoll.Number, key.Descriptor, Asked(key, interest), DataOf(key));
        }
        key.IsWatched = result.Succeeded;
        return result;
    }

    private void Unwatch(SelectorKey key)
    {
        // An error means that it was closed, and the number is perhaps in use again: nothing of ours to take out.
        MultiplexCalls.EpollRemove(_epoll.Number, key.Descriptor);
        key.IsWatched = false;
    }

    private static EpollEvents Asked(SelectorKey key, Interest interest) =>
        (EpollEvents)KernelEvents.Asked(interest)
        | ((key.Trigger & Trigger.Edge) != 0 ? EpollEvents.EdgeTriggered | ((interest & Interest.Read) != 0 ? EpollEvents.ReadHangUp : 0) : 0)
        | ((key.Trigger & Trigger.OneShot) != 0 ? EpollEvents.OneShot : 0)
        | ((key.Trigger & Trigger.Exclusive) != 0 ? EpollEvents.Exclusive : 0);

    private static ulong DataOf(SelectorKey key) => ((ulong)key.Generation << 32) | (uint)key.Slot;

    private static SystemCallException Refused(SelectorKey key, CallResult result) => result.Errno switch
    {
        Errno.NotPermitted => new NotPollableException(key.Descriptor),
        Errno.NoEntry => new BadDescriptorException("epoll_ctl", $"descriptor {key.Descriptor}, as it was registered,"),
        _ => SystemCallException.For("epoll_ctl", result.Errno, $"descriptor {key.Descriptor}"),
    };
}
