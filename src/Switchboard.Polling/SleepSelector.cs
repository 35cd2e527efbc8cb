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
        // The semaphore counts whole milliseconds; no wait may end before its time.
        double milliseconds = timeout is { Ticks: >= 0 } time ? Math.Ceiling(time.TotalMilliseconds) : Timeout.Infinite;
        if (_woken.Wait((int)Math.Min(milliseconds, int.MaxValue)))
        {
            AnswerWake();
        }
        return 0;
    }

    private protected override void Signal() => _woken.Release();

    // Not disposed: who wakes can't know that the selector has just ended, and it holds no descriptor.
    private protected override void Close()
    {
    }
}
