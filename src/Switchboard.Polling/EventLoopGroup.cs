namespace Switchboard.Polling;

/// <summary>
/// Several loops that share callers: each accepts from the same listener, and one that has many more than another hands
/// its next caller over. So what a loop has stays near the mean however callers come and go, and costs nothing while it
/// does. Members may be called from any thread.
/// </summary>
/// <remarks>A loop keeps what it accepts unless it would then have more than the one with the fewest by more than an
/// eighth of the mean, and by more than 8.</remarks>
public sealed class EventLoopGroup
{
    private const int Slack = 8;

    private readonly EventLoop[] _loops;
    private readonly Count[] _open;

    /// <summary>Makes loops on <c>epoll(7)</c>; each runs on the thread that calls its <see cref="EventLoop.Run()"/>.</summary>
    /// <param name="count">How many, 1 or more.</param>
    /// <exception cref="Linux.DescriptorLimitException">No descriptor is free.</exception>
    public EventLoopGroup(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        _loops = new EventLoop[count];
        _open = new Count[count];
        try
        {
            for (int i = 0; i < count; i++)
            {
                _loops[i] = new EventLoop(new EpollSelector());
            }
        }
        catch
        {
            foreach (EventLoop? loop in _loops)
            {
                loop?.Dispose();
            }
            throw;
        }
    }

    /// <summary>The loops.</summary>
    public IReadOnlyList<EventLoop> Loops => _loops;

    /// <summary>How many callers a loop has, those included that are on their way to it.</summary>
    /// <param name="loop">The loop's place in <see cref="Loops"/>.</param>
    /// <returns>The number.</returns>
    public int CountOf(int loop) => Volatile.Read(ref _open[loop].Value);

    /// <summary>Finds a loop for a caller and counts it in.</summary>
    /// <param name="accepting">The place of the loop that accepted it.</param>
    /// <returns>The place of the loop that is to have it, mostly the same. <see cref="Leave"/> counts it out.</returns>
    public int Place(int accepting)
    {
        int chosen = _loops.Length == 1 ? 0 : Lighter(accepting);
        Interlocked.Increment(ref _open[chosen].Value);
        return chosen;
    }

    /// <summary>Counts a caller out.</summary>
    /// <param name="loop">The loop that <see cref="Place"/> gave it to.</param>
    public void Leave(int loop) => Interlocked.Decrement(ref _open[loop].Value);

    private int Lighter(int accepting)
    {
        int lightest = accepting;
        long all = 0;
        for (int i = 0; i < _open.Length; i++)
        {
            int open = CountOf(i);
            all += open;
            if (open < CountOf(lightest))
            {
                lightest = i;
            }
        }
        long slack = Math.Max(Slack, all / _loops.Length / 8);
        return CountOf(accepting) + 1 > CountOf(lightest) + slack ? lightest : accepting;
    }

    /// <summary>A number that has its cache line to itself: each loop changes its own all the time.</summary>
    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Explicit, Size = 128)]
    private struct Count
    {
        [System.Runtime.InteropServices.FieldOffset(64)]
        internal int Value;
    }
}
