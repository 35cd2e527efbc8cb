using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>A selector on <c>select(2)</c>: there on every system, for descriptors 0 to 1,023 only. It tells reading,
/// writing and priority apart, but not error and hang-up, which it reports as the directions that were asked for.</summary>
public sealed class SelectSelector : Selector
{
    private readonly SelectorKey?[] _watched = new SelectorKey?[DescriptorSet.Capacity];
    private DescriptorSet _read;
    private DescriptorSet _write;
    private DescriptorSet _exceptional;
    private int _highest;
    private int _next;

    /// <summary>Makes a selector without registrations.</summary>
    /// <exception cref="DescriptorLimitException">No descriptor is free for the wake-up.</exception>
    /// <exception cref="ArgumentOutOfRangeException">All numbers to 1,023 are in use, so that the wake-up has a higher one.</exception>
    public SelectSelector()
    {
        _read.Add(WakeDescriptor);
        _highest = WakeDescriptor;
    }

    /// <inheritdoc/>
    public override string Name => "select";

    /// <inheritdoc/>
    public override bool SupportsTriggers => false;

    private protected override void Add(SelectorKey key)
    {
        // Refuses what is beyond the set's capacity, whatever the interest.
        _read.Add(key.Descriptor);
        if (!DescriptorCalls.IsOpen(key.Descriptor))
        {
            _read.Remove(key.Descriptor);
            throw new BadDescriptorException("select", $"descriptor {key.Descriptor}");
        }
        Change(key, key.Interest);
        _watched[key.Descriptor] = key;
        _highest = Math.Max(_highest, key.Descriptor);
    }

    private protected override void Change(SelectorKey key, Interest interest)
    {
        Put(ref _read, key.Descriptor, (interest & Interest.Read) != 0);
        Put(ref _write, key.Descriptor, (interest & Interest.Write) != 0);
        Put(ref _exceptional, key.Descriptor, (interest & Interest.Priority) != 0);
    }

    private protected override void Remove(SelectorKey key, bool closing)
    {
        Change(key, Interest.None);
        _watched[key.Descriptor] = null;
        while (_highest > WakeDescriptor && _watched[_highest] is null)
        {
            _highest--;
        }
    }

    private protected override int Wait(Span<ReadyEvent> destination, TimeSpan? timeout)
    {
        (DescriptorSet read, DescriptorSet write, DescriptorSet exceptional) = (_read, _write, _exceptional);
        DescriptorSet closed = default;
        int ready;
        try
        {
            ready = MultiplexCalls.Select(ref read, ref write, ref exceptional, _highest, timeout);
        }
        catch (BadDescriptorException)
        {
            // The kernel refuses the whole call and does not say for which number.
            ready = WaitWithoutClosed(ref read, ref write, ref exceptional, ref closed);
        }
        if (read.Contains(WakeDescriptor))
        {
            AnswerWake();
            ready--;
        }
        int found = 0;
        int at = _next;
        for (int left = _highest + 1; ready > 0 && left > 0; left--, at++)
        {
            at = at > _highest ? 0 : at;
            if (_watched[at] is not { } key)
            {
                continue;
            }
            (bool r, bool w, bool x, bool c) = (read.Contains(at), write.Contains(at), exceptional.Contains(at), closed.Contains(at));
            if (r || w || x || c)
            {
                if (found == destination.Length)
                {
                    _next = at;
                    break;
                }
                destination[found++] = new ReadyEvent(key, (r ? Readiness.Readable : 0) | (w ? Readiness.Writable : 0)
                    | (x ? Readiness.Priority : 0) | (c ? Readiness.Error | KernelEvents.Directions(key.Interest) : 0));
                ready -= (r ? 1 : 0) + (w ? 1 : 0) + (x ? 1 : 0) + (c ? 1 : 0);
            }
        }
        return found;
    }

    private protected override void Close() => Array.Clear(_watched);

    private int WaitWithoutClosed(ref DescriptorSet read, ref DescriptorSet write, ref DescriptorSet exceptional, ref DescriptorSet closed)
    {
        int count = 0;
        foreach (SelectorKey? key in _watched.AsSpan(0, _highest + 1))
        {
            if (key is not null && key.Interest != Interest.None && !DescriptorCalls.IsOpen(key.Descriptor))
            {
                read.Remove(key.Descriptor);
                write.Remove(key.Descriptor);
                exceptional.Remove(key.Descriptor);
                closed.Add(key.Descriptor);
                count++;
            }
        }
        return count + MultiplexCalls.Select(ref read, ref write, ref exceptional, _highest, TimeSpan.Zero);
    }

    private static void Put(ref DescriptorSet set, int descriptor, bool watched)
    {
        if (watched)
        {
            set.Add(descriptor);
        }
        else
        {
            set.Remove(descriptor);
        }
    }
}
