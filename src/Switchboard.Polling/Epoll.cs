using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>One answer of <see cref="Epoll.Wait"/>.</summary>
/// <param name="Descriptor">The number under which it was registered.</param>
/// <param name="Events">What the kernel says of it.</param>
public readonly record struct EpollResult(int Descriptor, EpollEvents Events);

/// <summary>An instance of <c>epoll(7)</c> in the kernel's own words.</summary>
/// <remarks>All members may be used from any thread, several at a time, as the kernel allows; none while another
/// thread closes it. An event of a descriptor that was closed while a copy of it was open elsewhere still comes, with
/// the old number. Who wants to be spared that takes an <see cref="EpollSelector"/>.</remarks>
public sealed class Epoll : IDisposable
{
    private readonly DescriptorHandle _instance;
    private EpollEventBuffer? _spare;

    private Epoll(DescriptorHandle instance) => _instance = instance;

    /// <summary>Makes an instance, close-on-exec.</summary>
    /// <returns>The instance; the caller disposes it.</returns>
    /// <exception cref="DescriptorLimitException">No descriptor is free.</exception>
    public static Epoll Create()
    {
        LinuxPlatform.Require();
        return new Epoll(MultiplexCalls.CreateEpoll());
    }

    /// <summary>Takes an instance that is there already.</summary>
    /// <param name="descriptor">Its number, 0 or more.</param>
    /// <param name="ownsDescriptor">True to close it with this object.</param>
    /// <returns>The instance.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public static Epoll FromDescriptor(int descriptor, bool ownsDescriptor = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(descriptor);
        return new Epoll(new DescriptorHandle(descriptor, ownsDescriptor));
    }

    /// <summary>The instance's own number, which another one can watch: it is readable when something in it is ready.</summary>
    /// <exception cref="ObjectDisposedException">It is closed.</exception>
    public int Descriptor
    {
        get
        {
            ObjectDisposedException.ThrowIf(_instance.IsClosed, this);
            return _instance.Number;
        }
    }

    /// <summary>True after <see cref="Close"/>.</summary>
    public bool IsClosed => _instance.IsClosed;

    /// <summary>Watches a descriptor.</summary>
    /// <param name="descriptor">0 or more.</param>
    /// <param name="events">What to watch, and how; errors and hang-ups are always answered.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    /// <exception cref="BadDescriptorException">It is not open.</exception>
    /// <exception cref="NotPollableException">It is a regular file or a directory.</exception>
    /// <exception cref="SystemCallException">The kernel refused for another reason; EEXIST if it is registered already.</exception>
    /// <exception cref="ObjectDisposedException">The instance is closed.</exception>
    public void Register(int descriptor, EpollEvents events = EpollEvents.Readable | EpollEvents.Priority | EpollEvents.Writable)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(descriptor);
        CallResult result = MultiplexCalls.EpollAdd(Descriptor, descriptor, events, (uint)descriptor);
        if (result.Errno == Errno.NotPermitted)
        {
            throw new NotPollableException(descriptor);
        }
        ThrowUnlessDone(result, descriptor);
    }

    /// <summary>Changes what a descriptor is watched for; arms one again that was registered as
    /// <see cref="EpollEvents.OneShot"/>.</summary>
    /// <param name="descriptor">A registered number.</param>
    /// <param name="events">What to watch from now on, and how.</param>
    /// <exception cref="BadDescriptorException">It is not open.</exception>
    /// <exception cref="SystemCallException">The kernel refused; ENOENT if it is not registered.</exception>
    /// <exception cref="ObjectDisposedException">The instance is closed.</exception>
    public void Modify(int descriptor, EpollEvents events) =>
        ThrowUnlessDone(MultiplexCalls.EpollModify(Descriptor, descriptor, events, (uint)descriptor), descriptor);

    /// <summary>Stops watching a descriptor.</summary>
    /// <param name="descriptor">A registered number.</param>
    /// <exception cref="BadDescriptorException">It is not open.</exception>
    /// <exception cref="SystemCallException">The kernel refused; ENOENT if it is not registered.</exception>
    /// <exception cref="ObjectDisposedException">The instance is closed.</exception>
    public void Unregister(int descriptor) =>
        ThrowUnlessDone(MultiplexCalls.EpollRemove(Descriptor, descriptor), descriptor);

    /// <summary>Waits until something is ready or the time is up.</summary>
    /// <param name="timeout">How long to wait, rounded up to a millisecond; zero not at all, null or negative for ever.</param>
    /// <param name="maxEvents">How many events to take at most, 1 or more; more come with the next wait.</param>
    /// <returns>What is ready; empty after the time.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxEvents"/> is less than 1.</exception>
    /// <exception cref="SystemCallException">It is not an open epoll instance.</exception>
    /// <exception cref="ObjectDisposedException">The instance is closed.</exception>
    public IReadOnlyList<EpollResult> Wait(TimeSpan? timeout, int maxEvents = 1024)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxEvents, 1);
        int instance = Descriptor;
        EpollEventBuffer? buffer = Interlocked.Exchange(ref _spare, null);
        if (buffer is null || buffer.Capacity < maxEvents)
        {
            buffer = new EpollEventBuffer(maxEvents);
        }
        int count = MultiplexCalls.EpollWait(instance, buffer, timeout, maxEvents);
        EpollResult[] ready = new EpollResult[count];
        for (int i = 0; i < count; i++)
        {
            (EpollEvents events, ulong data) = buffer[i];
            ready[i] = new EpollResult((int)data, events);
        }
        _spare = buffer;
        return ready;
    }

    /// <summary>Closes the instance. A second call does nothing.</summary>
    public void Close() => _instance.Dispose();

    /// <inheritdoc cref="Close"/>
    public void Dispose() => Close();

    private static void ThrowUnlessDone(CallResult result, int descriptor)
    {
        if (!result.Succeeded)
        {
            throw SystemCallException.For("epoll_ctl", result.Errno, $"descriptor {descriptor}");
        }
    }
}
