using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>One answer of <see cref="Poll.Wait"/>.</summary>
/// <param name="Descriptor">The number.</param>
/// <param name="Events">What the kernel says of it.</param>
public readonly record struct PollResult(int Descriptor, PollEvents Events);

/// <summary>The call <c>poll(2)</c> with a list of descriptors to watch, in the kernel's own words.</summary>
/// <remarks>The list may be changed from other threads while one waits; the change counts from the next wait on. Who
/// wants keys with data, a wake-up and no allocation takes a <see cref="PollSelector"/>.</remarks>
public sealed class Poll
{
    private readonly Lock _gate = new();
    private readonly Dictionary<int, PollEvents> _interests = [];
    private PollDescriptor[] _entries = [];
    private bool _waiting;

    /// <summary>Makes an empty list.</summary>
    public Poll() => LinuxPlatform.Require();

    /// <summary>Watches a descriptor, or changes what one is watched for. Nothing is said if it is not open: then
    /// <see cref="Wait"/> answers <see cref="PollEvents.NotOpen"/>.</summary>
    /// <param name="descriptor">0 or more.</param>
    /// <param name="interest">What to watch; errors, hang-ups and closed numbers are always answered.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public void Register(int descriptor, PollEvents interest = PollEvents.Readable | PollEvents.Priority | PollEvents.Writable)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(descriptor);
        lock (_gate)
        {
            _interests[descriptor] = interest;
        }
    }

    /// <summary>Changes what a descriptor is watched for.</summary>
    /// <param name="descriptor">A registered number.</param>
    /// <param name="interest">What to watch from now on.</param>
    /// <exception cref="KeyNotFoundException">It is not registered.</exception>
    public void Modify(int descriptor, PollEvents interest)
    {
        lock (_gate)
        {
            if (!_interests.ContainsKey(descriptor))
            {
                throw NotRegistered(descriptor);
            }
            _interests[descriptor] = interest;
        }
    }

    /// <summary>Stops watching a descriptor.</summary>
    /// <param name="descriptor">A registered number, open or not.</param>
    /// <exception cref="KeyNotFoundException">It is not registered.</exception>
    public void Unregister(int descriptor)
    {
        lock (_gate)
        {
            if (!_interests.Remove(descriptor))
            {
                throw NotRegistered(descriptor);
            }
        }
    }

    /// <summary>Waits until something is ready or the time is up.</summary>
    /// <param name="timeout">How long to wait, rounded up to a millisecond; zero not at all, null or negative for ever.</param>
    /// <returns>What is ready; empty after the time.</returns>
    /// <exception cref="InvalidOperationException">Another thread waits on this object.</exception>
    /// <exception cref="SystemCallException">The kernel refused.</exception>
    public IReadOnlyList<PollResult> Wait(TimeSpan? timeout)
    {
        int count = 0;
        lock (_gate)
        {
            if (_waiting)
            {
                throw new InvalidOperationException("Another thread waits on this Poll. Give each thread one of its own.");
            }
            _waiting = true;
            if (_entries.Length < _interests.Count)
            {
                _entries = new PollDescriptor[_interests.Count * 2];
            }
            foreach ((int descriptor, PollEvents interest) in _interests)
            {
                _entries[count++] = new PollDescriptor(descriptor, interest);
            }
        }
        try
        {
            Span<PollDescriptor> entries = _entries.AsSpan(0, count);
            List<PollResult> ready = new(MultiplexCalls.Poll(entries, timeout));
            foreach (PollDescriptor entry in entries)
            {
                if (entry.Ready != PollEvents.None)
                {
                    ready.Add(new PollResult(entry.Descriptor, entry.Ready));
                }
            }
            return ready;
        }
        finally
        {
            Volatile.Write(ref _waiting, false);
        }
    }

    private static KeyNotFoundException NotRegistered(int descriptor) =>
        new($"Descriptor {descriptor} is not registered with this Poll. Register it first.");
}
