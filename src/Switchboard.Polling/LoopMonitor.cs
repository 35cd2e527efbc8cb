using System.Diagnostics;

namespace Switchboard.Polling;

/// <summary>Looks at loops from outside and tells of each piece of work that runs for longer than it should: meanwhile
/// nobody else on its loop is served. Told once a piece.</summary>
public sealed class LoopMonitor : IDisposable
{
    private readonly EventLoop[] _loops;
    private readonly TimeSpan _limit;
    private readonly Action<object, TimeSpan> _onBlocked;
    private readonly Seen[] _seen;
    private readonly Lock _gate = new();
    private readonly Timer _timer;

    /// <summary>Starts to look, twice in the time that a piece may take.</summary>
    /// <param name="loops">The loops.</param>
    /// <param name="limit">How long a piece may take, 1 ms or more.</param>
    /// <param name="onBlocked">Called on the thread pool with what the piece belongs to (the owner of a descriptor, or the
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
        _timer = new Timer(static self => ((LoopMonitor)self!).Look(), this, limit / 2, limit / 2);
    }

    /// <summary>Ends the looking.</summary>
    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        if (!_gate.TryEnter())
        {
            // The last look is still at its callback.
            return;
        }
        try
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
        finally
        {
            _gate.Exit();
        }
    }

    private readonly record struct Seen(uint Piece, long Since, bool IsTold);
}
