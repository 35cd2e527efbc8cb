using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>A selector on <c>poll(2)</c>: the quickest for a handful of descriptors, since registering and modifying
/// make no system call; each Select costs time for every registration.</summary>
public sealed class PollSelector : Selector
{
    // Entry 0 is the wake-up descriptor; the key of entry i is _watched[i].
    private PollDescriptor[] _entries = new PollDescriptor[4];
    private SelectorKey?[] _watched = new SelectorKey?[4];
    private int _count = 1;
    private int _next = 1;

    /// <summary>Makes a selector without registrations.</summary>
    /// <exception cref="DescriptorLimitException">No descriptor is free for the wake-up.</exception>
    public PollSelector() => _entries[0] = new PollDescriptor(WakeDescriptor, PollEvents.Readable);

    /// <inheritdoc/>
    public override string Name => "poll";

    /// <inheritdoc/>
    public override bool SupportsTriggers => false;

    private protected override void Add(SelectorKey key)
    {
        if (!DescriptorCalls.IsOpen(key.Descriptor))
        {
            throw new BadDescriptorException("poll", $"descriptor {key.Descriptor}");
        }
        if (_count == _entries.Length)
        {
            Array.Resize(ref _entries, _count * 2);
            Array.Resize(ref _watched, _count * 2);
        }
        key.Slot = _count++;
        _watched[key.Slot] = key;
        Change(key, key.Interest);
    }

    private protected override void Change(SelectorKey key, Interest interest) =>
        // The kernel passes over negative numbers.
        _entries[key.Slot] = new PollDescriptor(interest == Interest.None ? ~key.Descriptor : key.Descriptor, KernelEvents.Asked(interest));

    private protected override void Remove(SelectorKey key, bool closing)
    {
        SelectorKey last = _watched[--_count]!;
        _entries[key.Slot] = _entries[_count];
        _watched[key.Slot] = last;
        last.Slot = key.Slot;
        _watched[_count] = null;
    }

    private protected override int Wait(Span<ReadyEvent> destination, TimeSpan? timeout)
    {
        int ready = MultiplexCalls.Poll(_entries.AsSpan(0, _count), timeout);
        if (ready == 0)
        {
            return 0;
        }
        if (_entries[0].Ready != 0)
        {
            AnswerWake();
            ready--;
        }
        int wanted = Math.Min(ready, destination.Length);
        int found = 0;
        int at = _next < _count ? _next : 1;
        while (found < wanted)
        {
            if (_entries[at].Ready is not PollEvents.None and var events)
            {
                SelectorKey key = _watched[at]!;
                destination[found++] = new ReadyEvent(key, KernelEvents.Answered(events, key.Interest));
            }
            at = at + 1 < _count ? at + 1 : 1;
        }
        if (wanted < ready)
        {
            _next = at;
        }
        return found;
    }

    private protected override void Close()
    {
        _entries = [];
        _watched = [];
    }
}
