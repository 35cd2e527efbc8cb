using System.Diagnostics;

namespace Switchboard.Polling;

/// <summary>Looks at loops from outside and tells of each piece of work that runs for longer than it should: meanwhile
/// nobody else on its loop is served. Told once a piece.</summary>
public sealed class LoopMonitor : IDisposable
{
    private static readonly TimeSpan _longestPause = TimeSpan.FromHours(1);

    private readonly EventLoop[] _loops;
    private readonly TimeSpan _limit;
    private readonly Action<object, TimeSpan> _onBlocked;
    private readonly Seen[] _seen;
    private readonly object _gate = new();
    private bool _ended;

    /// <summary>Starts to look, twice in the time that a piece may take, on a thread of its own: the thread pool may be what
    /// the piece waits for.</summary>
    /// <param name="loops">The loops.</param>
    /// <param name="limit">How long a piece may take, 1 ms or more.</param>
    /// <param name="onBlocked">Called on that thread with what the piece belongs to (the owner of a descriptor, or the
    /// state of posted work or of a timer), and how long it has run at least.</param>
    public LoopMonitor(IEnumerable<EventLoop> loops, TimeSpan limit, Action<object, TimeSpan> onBlocked)
    {
        ArgumentNullException.ThrowIfNull(loops);
        ArgumentNullException.ThrowIfNull(onBlocked);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, TimeSpan.FromMilliseconds(1));
        _loops = [.. loops];
        _limit = limit;
        _onBlocked = onBlocked;
        _seen = new Seen[_loops.Length];
        new Thread(Run) { IsBackground = true, Name = "loop monitor" }.Start();
    }

    /// <summary>Ends the looking. A callback that runs is not waited for: it may be what disposes.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _ended = true;
            Monitor.Pulse(_gate);
        }
    }

    private void Run()
    {
        TimeSpan pause = _limit / 2 < _longestPause ? _limit / 2 : _longestPause;
        while (true)
        {
            lock (_gate)
            {
                if (_ended || (Monitor.Wait(_gate, pause) && _ended))
                {
                    return;
                }
            }
            Look();
        }
    }

    private void Look()
    {
        for (int i = 0; i < _loops.Length; i++)
        {
            object? work = _loops[i].Running(out uint piece);
            ref Seen seen = ref _seen[i];
            if (work is null || piece != seen.Piece || seen.Since == 0)
            {
                seen = new Seen(piece, work is null ? 0 : Stopwatch.GetTimestamp(), IsTold: false);
            }
            else if (!seen.IsTold && Stopwatch.GetElapsedTime(seen.Since) is var time && time >= _limit)
            {
                seen = seen with { IsTold = true };
                _onBlocked(work, time);
            }
        }
    }

    private readonly record struct Seen(uint Piece, long Since, bool IsTold);
}
