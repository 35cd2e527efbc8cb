using System.Runtime.InteropServices;

namespace Switchboard.Polling;

/// <summary>One registration of a descriptor with a <see cref="Selector"/>, from Register to Unregister. An object
/// serves one registration only, so whoever holds it can always tell by <see cref="IsRegistered"/> whether an event is
/// still meant for it.</summary>
public sealed class SelectorKey
{
    internal SelectorKey(int descriptor, Interest interest, object? data, Trigger trigger, SafeHandle? handle)
    {
        Descriptor = descriptor;
        Interest = interest;
        Data = data;
        Trigger = trigger;
        Handle = handle;
    }

    /// <summary>The descriptor's number.</summary>
    public int Descriptor { get; }

    /// <summary>What it is watched for.</summary>
    public Interest Interest { get; internal set; }

    /// <summary>When it is reported.</summary>
    public Trigger Trigger { get; }

    /// <summary>Anything that the owner wants to find again.</summary>
    public object? Data { get; set; }

    /// <summary>False from Unregister (or the selector's Dispose) on. Events of one Select that are handled after that
    /// must be dropped.</summary>
    public bool IsRegistered => Owner is not null;

    internal Selector? Owner { get; set; }

    // Held so that the garbage collector does not close a watched descriptor.
    internal SafeHandle? Handle { get; }

    internal int Slot { get; set; }

    internal uint Generation { get; set; }

    // Whether the kernel's own list has it; only epoll keeps one.
    internal bool IsWatched { get; set; }

    internal bool IsDisarmed { get; set; }

    /// <inheritdoc/>
    public override string ToString() => $"descriptor {Descriptor}, {Interest}{(IsRegistered ? "" : ", unregistered")}";
}

/// <summary>One ready descriptor, as Select reports it.</summary>
/// <param name="Key">Whose it is.</param>
/// <param name="Ready">What it is ready for.</param>
public readonly record struct ReadyEvent(SelectorKey Key, Readiness Ready);
