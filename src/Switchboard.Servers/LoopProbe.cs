using System.Diagnostics;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>Measures once a second how long posted work waits for its loop, while somebody listens. Any thread.</summary>
internal sealed class LoopProbe : IDisposable
{
    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(1);

    private readonly One[] _loops;
    private readonly Timer _timer;

    internal LoopProbe(IReadOnlyList<EventLoop> loops, KeyValuePair<string, object?>[] tags)
    {
        _loops = [.. loops.Select((loop, index) => new One(loop, [.. tags, new("switchboard.loop", index + 1)]))];
        _timer = new Timer(static self => ((LoopProbe)self!).Look(), this, TimeSpan.Zero, _pause);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        if (ServerMetrics.LoopDelay.Enabled)
        {
            foreach (One one in _loops)
            {
                one.Ask();
            }
        }
    }

    private sealed class One(EventLoop loop, KeyValuePair<string, object?>[] tags)
    {
        private long _asked;

        internal void Ask()
        {
            // A loop that is held up is not asked again before it has answered.
            if (Interlocked.CompareExchange(ref _asked, Stopwatch.GetTimestamp(), 0) == 0)
            {
                loop.Post(static self => ((One)self!).Answer(), this);
            }
        }

        private void Answer() => ServerMetrics.LoopDelay.Record(Stopwatch.GetElapsedTime(Interlocked.Exchange(ref _asked, 0)).TotalSeconds, tags);
    }
}
