using System.Diagnostics;

namespace Switchboard.Polling;

/// <summary>A selector that watches nothing and only sleeps until it is woken: for a loop of posted work and timers. It
/// makes no system call of ours, so that it works on every system.</summary>
internal sealed class SleepSelector() : Selector(wakeEvent: null)
{
    private readonly SemaphoreSlim _woken = new(0);

    public override string Name => "sleep";

    public override bool SupportsTriggers => false;

    private protected override void Add(SelectorKey key) =>
        throw new NotSupportedException($"This selector only sleeps, so it can't watch descriptor {key.Descriptor}.");

    private protected override void Change(SelectorKey key, Interest interest)
    {
    }

    private protected override void Remove(SelectorKey key, bool closing)
    {
    }

    private protected override int Wait(Span<ReadyEvent> destination, TimeSpan? timeout)
    {
        if (timeout is not { Ticks: >= 0 } time)
        {
            _woken.Wait();
            AnswerWake();
            return 0;
        }
        // The semaphore counts whole milliseconds by a coarse clock; no wait may end before its time.
        long started = Stopwatch.GetTimestamp();
        TimeSpan left = time;
        do
        {
            if (_woken.Wait((int)Math.Min(Math.Ceiling(left.TotalMilliseconds), int.MaxValue)))
            {
                AnswerWake();
                return 0;
            }
            left = time - Stopwatch.GetElapsedTime(started);
        }
        while (left > TimeSpan.Zero);
        return 0;
    }

    private protected override void Signal() => _woken.Release();

    // Not disposed: who wakes can't know that the selector has just ended, and it holds no descriptor.
    private protected override void Close()
    {
    }
}
