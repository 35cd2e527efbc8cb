namespace Switchboard.Polling;

/// <summary>When a ready descriptor is reported. All but <see cref="Level"/> need a selector whose
/// <see cref="Selector.SupportsTriggers"/> is true.</summary>
[Flags]
public enum Trigger : byte
{
    /// <summary>By each Select, as long as it is ready.</summary>
    Level = 0,
    /// <summary>When it becomes ready, or more of it does; read or write until it would block before you wait again
    /// (<c>epoll(7)</c>, EPOLLET). It may come once more than there was a change.</summary>
    Edge = 1,
    /// <summary>Once, and then not until <see cref="Selector.Modify(SelectorKey, Interest)"/> (<c>epoll_ctl(2)</c>, EPOLLONESHOT).</summary>
    OneShot = 2,
    /// <summary>Of several selectors that watch the descriptor, one that waits is woken, not all (<c>epoll_ctl(2)</c>,
    /// EPOLLEXCLUSIVE). For a listener that several loops accept from. Read and write interest only.</summary>
    Exclusive = 4,
}
