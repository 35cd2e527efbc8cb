using System.Collections.Concurrent;

namespace Switchboard.Samples.MiniRedis;

/// <summary>Removes expired keys that nobody looks up: it walks round all keys in small steps, ten a second, and rests as
/// soon as a round has met none that can expire.</summary>
internal sealed class Sweep : IDisposable
{
    private const int KeysOfAStep = 10_000;

    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(100);

    private readonly ConcurrentDictionary<byte[], Entry> _entries;
    private readonly Predicate<Entry> _isExpired;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();

    // Bears additions and removals while it walks; null between two rounds.
    private IEnumerator<KeyValuePair<byte[], Entry>>? _round;

    // 1 if a key that can expire was set or met since the round began. 0 only if none was, or at rest.
    private int _isNeeded;

    public Sweep(ConcurrentDictionary<byte[], Entry> entries, Predicate<Entry> isExpired, TimeProvider clock)
    {
        (_entries, _isExpired) = (entries, isExpired);
        _timer = clock.CreateTimer(static self => ((Sweep)self!).Step(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Says that a key that can expire has been set.</summary>
    public void Start()
    {
        if (Interlocked.Exchange(ref _isNeeded, 1) == 0)
        {
            _timer.Change(_pause, Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Step()
    {
        lock (_gate)
        {
            if (_round is null)
            {
                Interlocked.Exchange(ref _isNeeded, 0);
                _round = _entries.GetEnumerator();
            }
            for (int i = 0; i < KeysOfAStep; i++)
            {
                if (!_round.MoveNext())
                {
                    _round.Dispose();
                    _round = null;
                    break;
                }
                Look(_round.Current);
            }
            if (_round is not null || Volatile.Read(ref _isNeeded) == 1)
            {
                _timer.Change(_pause, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void Look(KeyValuePair<byte[], Entry> pair)
    {
        if (_isExpired(pair.Value))
        {
            _entries.TryRemove(pair);
        }
        else if (pair.Value.ExpiresAt != Entry.Never)
        {
            Volatile.Write(ref _isNeeded, 1);
        }
    }
}
