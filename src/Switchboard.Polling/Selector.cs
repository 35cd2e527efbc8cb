using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>Watches many descriptors of any kind and says which are ready.</summary>
/// <remarks>
/// <para>Made as one of <see cref="SelectSelector"/>, <see cref="PollSelector"/> and <see cref="EpollSelector"/>, or by
/// <see cref="Default"/>. All members belong to one thread at a time, but for <see cref="Wake"/>.</para>
/// <para>Unregister a descriptor before you close it. One that was closed first is reported with
/// <see cref="Readiness.Error"/> by select and poll; epoll says nothing of it, or goes on reporting it for as long as a
/// copy of it is open elsewhere (<c>epoll(7)</c>, "Will closing a file descriptor ...").</para>
/// </remarks>
public abstract partial class Selector : IDisposable
{
    private const Interest AllInterests = Interest.Read | Interest.Write | Interest.Priority;
    private const Trigger AllTriggers = Trigger.Edge | Trigger.OneShot | Trigger.Exclusive;

    private readonly Dictionary<int, SelectorKey> _keys = [];
    private readonly DescriptorHandle? _wakeEvent;
    private ReadyEvent[] _batch = [];
    private int _wakeRequested;
    private int _selecting;
    private bool _disposed;

    private protected Selector() : this(MakeWakeEvent())
    {
    }

    /// <summary>With what ends a wait; null if <see cref="Signal"/> does.</summary>
    private protected Selector(DescriptorHandle? wakeEvent) => _wakeEvent = wakeEvent;

    private static DescriptorHandle MakeWakeEvent()
    {
        LinuxPlatform.Require();
        return DescriptorCalls.CreateEvent();
    }

    /// <summary>Makes the best selector that this kernel has: epoll, else poll, else select.</summary>
    /// <returns>The selector; the caller disposes it.</returns>
    /// <exception cref="DescriptorLimitException">No descriptor is free.</exception>
    public static Selector Default()
    {
        try
        {
            return new EpollSelector();
        }
        catch (SystemCallException e) when (e.Errno == Errno.NotImplemented)
        {
        }
        try
        {
            MultiplexCalls.Poll([], TimeSpan.Zero);
            return new PollSelector();
        }
        catch (SystemCallException e) when (e.Errno == Errno.NotImplemented)
        {
            return new SelectSelector();
        }
    }

    /// <summary>The system call that it stands on: <c>select</c>, <c>poll</c> or <c>epoll</c>.</summary>
    public abstract string Name { get; }

    /// <summary>True if descriptors can be registered with <see cref="Trigger.Edge"/> and <see cref="Trigger.OneShot"/>.</summary>
    public abstract bool SupportsTriggers { get; }

    /// <summary>All registrations, as a view that follows them; in no order.</summary>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public IReadOnlyCollection<SelectorKey> Keys
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _keys.Values;
        }
    }

    /// <summary>Finds the registration of a descriptor.</summary>
    /// <param name="descriptor">Any number.</param>
    /// <param name="key">The registration, null if there is none.</param>
    /// <returns>Whether it is registered.</returns>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public bool TryGetKey(int descriptor, [NotNullWhen(true)] out SelectorKey? key)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _keys.TryGetValue(descriptor, out key);
    }

    /// <summary>The registration of a descriptor.</summary>
    /// <param name="descriptor">The number.</param>
    /// <returns>The registration.</returns>
    /// <exception cref="KeyNotFoundException">It is not registered.</exception>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public SelectorKey GetKey(int descriptor) =>
        TryGetKey(descriptor, out SelectorKey? key) ? key : throw NotRegistered(descriptor);

    /// <summary>Starts watching a descriptor.</summary>
    /// <param name="descriptor">An open descriptor that is not registered here yet.</param>
    /// <param name="interest">What to watch it for.</param>
    /// <param name="data">Anything that the owner wants to find again in <see cref="SelectorKey.Data"/>.</param>
    /// <param name="trigger">When to report it.</param>
    /// <returns>The registration.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or beyond 1,023 under <c>select</c>; or an
    /// interest or trigger is not one of the named ones.</exception>
    /// <exception cref="ArgumentException">This selector has no such trigger.</exception>
    /// <exception cref="InvalidOperationException">The number is registered already.</exception>
    /// <exception cref="BadDescriptorException">The number is not open.</exception>
    /// <exception cref="NotPollableException">epoll does not watch regular files and directories.</exception>
    /// <exception cref="SystemCallException">The kernel refused for another reason.</exception>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public SelectorKey Register(int descriptor, Interest interest, object? data = null, Trigger trigger = Trigger.Level) =>
        Register(descriptor, interest, data, trigger, null);

    /// <summary>Changes what a descriptor is watched for, and its data.</summary>
    /// <param name="descriptor">A registered descriptor.</param>
    /// <param name="interest">What to watch it for from now on.</param>
    /// <param name="data">The new <see cref="SelectorKey.Data"/>.</param>
    /// <returns>The registration, the same object as before.</returns>
    /// <exception cref="KeyNotFoundException">It is not registered.</exception>
    /// <exception cref="SystemCallException">The kernel refused, which ends the registration.</exception>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public SelectorKey Modify(int descriptor, Interest interest, object? data)
    {
        SelectorKey key = GetKey(descriptor);
        Modify(key, interest);
        key.Data = data;
        return key;
    }

    /// <summary>Changes what a descriptor is watched for; with <see cref="Trigger.OneShot"/> and
    /// <see cref="Trigger.Edge"/> it also makes it report anew. Allocates nothing.</summary>
    /// <param name="key">A registration of this selector.</param>
    /// <param name="interest">What to watch it for from now on.</param>
    /// <exception cref="ArgumentOutOfRangeException">The interest is not one of the named ones.</exception>
    /// <exception cref="KeyNotFoundException">It is no registration of this selector, or not any more.</exception>
    /// <exception cref="SystemCallException">The kernel refused (the descriptor was closed, for one), which ends the registration.</exception>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public void Modify(SelectorKey key, Interest interest)
    {
        ArgumentNullException.ThrowIfNull(key);
        ThrowIfNotOwned(key);
        ThrowIfUnknown(interest);
        if (key.Interest == interest && key.Trigger == Trigger.Level)
        {
            return;
        }
        try
        {
            Change(key, interest);
            key.Interest = interest;
        }
        catch (SystemCallException)
        {
            Forget(key);
            throw;
        }
    }

    /// <summary>Stops watching a descriptor. It may have been closed meanwhile, and its number may be in use again.</summary>
    /// <param name="descriptor">A registered number.</param>
    /// <returns>The registration that ended.</returns>
    /// <exception cref="KeyNotFoundException">It is not registered.</exception>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public SelectorKey Unregister(int descriptor)
    {
        SelectorKey key = GetKey(descriptor);
        Unregister(key);
        return key;
    }

    /// <summary>Ends a registration. Its descriptor may have been closed meanwhile, and the number may be in use again.</summary>
    /// <param name="key">A registration of this selector.</param>
    /// <exception cref="KeyNotFoundException">It is no registration of this selector, or not any more.</exception>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public void Unregister(SelectorKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        ThrowIfNotOwned(key);
        Forget(key);
    }

    /// <summary>Ends the registration of a descriptor that is closed right after, which saves a system call.</summary>
    internal void UnregisterClosing(SelectorKey key)
    {
        ThrowIfNotOwned(key);
        Forget(key, closing: true);
    }

    /// <summary>Waits until something registered is ready, <see cref="Wake"/> is called, or the time is up. Allocates
    /// nothing. A signal does not end the wait, and no wait ends before its time.</summary>
    /// <param name="destination">Filled from the front; at least one long. What is ready beyond its length comes with
    /// the next calls, in turn. What it holds keeps registrations and their data from being collected.</param>
    /// <param name="timeout">How long to wait; zero not at all, null or negative for ever.</param>
    /// <returns>How many events there are; 0 after the time, or after a wake-up with nothing ready.</returns>
    /// <exception cref="ArgumentException">The destination is empty.</exception>
    /// <exception cref="InvalidOperationException">Another thread is in Select.</exception>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public int Select(Span<ReadyEvent> destination, TimeSpan? timeout)
    {
        if (destination.IsEmpty)
        {
            throw new ArgumentException("Select needs room for one event at least.", nameof(destination));
        }
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Interlocked.CompareExchange(ref _selecting, 1, 0) != 0)
        {
            throw InUse();
        }
        try
        {
            return Wait(destination, timeout);
        }
        finally
        {
            Volatile.Write(ref _selecting, 0);
        }
    }

    /// <summary>Waits for ever as <see cref="Select(TimeSpan?)"/> does.</summary>
    /// <returns>The events; none after a wake-up with nothing ready.</returns>
    /// <exception cref="InvalidOperationException">Another thread is in Select.</exception>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public IReadOnlyList<ReadyEvent> Select() => Select(null);

    /// <summary>Waits as <see cref="Select(Span{ReadyEvent}, TimeSpan?)"/> does, and returns all that is ready.</summary>
    /// <param name="timeout">How long to wait; zero not at all, null or negative for ever.</param>
    /// <returns>The events; none after the time, or after a wake-up with nothing ready.</returns>
    /// <exception cref="InvalidOperationException">Another thread is in Select.</exception>
    /// <exception cref="ObjectDisposedException">The selector is disposed.</exception>
    public IReadOnlyList<ReadyEvent> Select(TimeSpan? timeout)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ThrowIfSelecting();
        // One more than the keys, so that epoll can answer the wake-up and all of them at once.
        if (_batch.Length <= _keys.Count)
        {
            _batch = new ReadyEvent[Math.Max(_keys.Count + 1, _batch.Length * 2)];
        }
        Span<ReadyEvent> ready = _batch.AsSpan(0, Select(_batch, timeout));
        ReadyEvent[] answer = ready.ToArray();
        ready.Clear();
        return answer;
    }

    /// <summary>Makes the Select that is running return, or else the next one. Many wake-ups before that count as one.
    /// What the caller wrote before, the thread in Select sees after it. Any thread may call it at any time; after
    /// Dispose it does nothing.</summary>
    public void Wake()
    {
        if (Interlocked.Exchange(ref _wakeRequested, 1) != 0)
        {
            return;
        }
        if (_wakeEvent is null)
        {
            Signal();
            return;
        }
        bool held = false;
        try
        {
            _wakeEvent.DangerousAddRef(ref held);
            DescriptorCalls.SignalEvent(_wakeEvent.Number);
        }
        catch (ObjectDisposedException)
        {
            // Who wakes can't know that the selector has just ended.
        }
        finally
        {
            if (held)
            {
                _wakeEvent.DangerousRelease();
            }
        }
    }

    /// <summary>Ends all registrations. The watched descriptors stay open.</summary>
    /// <exception cref="InvalidOperationException">Another thread is in Select: wake it and let it return first.</exception>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }
        ThrowIfSelecting();
        _disposed = true;
        foreach (SelectorKey key in _keys.Values)
        {
            key.Owner = null;
        }
        _keys.Clear();
        Close();
        _wakeEvent?.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected int WakeDescriptor => _wakeEvent!.Number;

    /// <summary>Ends the wait of a selector that has no wake-up descriptor. Any thread.</summary>
    private protected virtual void Signal()
    {
    }

    /// <summary>Watches a new key; throws if the kernel refuses, and then has kept nothing of it.</summary>
    private protected abstract void Add(SelectorKey key);

    /// <summary>Watches a key for something else; the key still has its old interest.</summary>
    private protected abstract void Change(SelectorKey key, Interest interest);

    /// <summary>Stops watching a key whose descriptor may be closed, or is closed next; never throws.</summary>
    private protected abstract void Remove(SelectorKey key, bool closing);

    /// <summary>Waits; calls <see cref="AnswerWake"/> when the wake-up descriptor is readable, and returns then.</summary>
    private protected abstract int Wait(Span<ReadyEvent> destination, TimeSpan? timeout);

    /// <summary>Gives back what the kernel holds.</summary>
    private protected abstract void Close();

    // The counter is taken back before the request: the other way round, a request made in between would be lost for
    // good. One made in between now is answered by the Select that is just returning.
    private protected void AnswerWake()
    {
        if (_wakeEvent is not null)
        {
            DescriptorCalls.ResetEvent(_wakeEvent.Number);
        }
        Interlocked.Exchange(ref _wakeRequested, 0);
    }

    private SelectorKey Register(int descriptor, Interest interest, object? data, Trigger trigger, SafeHandle? handle)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ThrowIfSelecting();
        if (descriptor < 0)
        {
            throw new ArgumentOutOfRangeException(nameof(descriptor), descriptor, "A descriptor is 0 or more.");
        }
        ThrowIfUnknown(interest);
        if ((trigger & ~AllTriggers) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(trigger), trigger, "The triggers are Level, Edge, OneShot and Exclusive.");
        }
        if (trigger != Trigger.Level && !SupportsTriggers)
        {
            throw new ArgumentException($"{Name} reports levels only: it has no trigger {trigger}. Use Trigger.Level, or an EpollSelector.", nameof(trigger));
        }
        SelectorKey key = new(descriptor, interest, data, trigger, handle);
        if (!_keys.TryAdd(descriptor, key))
        {
            throw new InvalidOperationException($"Descriptor {descriptor} is registered already, for {_keys[descriptor].Interest}. Modify that registration, or unregister it first.");
        }
        try
        {
            Add(key);
        }
        catch
        {
            _keys.Remove(descriptor);
            throw;
        }
        key.Owner = this;
        return key;
    }

    private void Forget(SelectorKey key, bool closing = false)
    {
        key.Owner = null;
        _keys.Remove(key.Descriptor);
        Remove(key, closing);
    }

    private void ThrowIfNotOwned(SelectorKey key)
    {
        ThrowIfSelecting();
        if (key.Owner != this)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            throw NotRegistered(key.Descriptor);
        }
    }

    private void ThrowIfSelecting()
    {
        if (_selecting != 0)
        {
            throw InUse();
        }
    }

    private static void ThrowIfUnknown(Interest interest)
    {
        if ((interest & ~AllInterests) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(interest), interest, "The interests are Read, Write and Priority.");
        }
    }

    private static KeyNotFoundException NotRegistered(int descriptor) =>
        new($"Descriptor {descriptor} is not registered with this selector. Register it first.");

    private static InvalidOperationException InUse() =>
        new("Another thread is in this selector's Select. A selector belongs to one thread at a time; only Wake may be called from others.");
}
