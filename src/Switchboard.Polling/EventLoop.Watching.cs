using Switchboard.Linux;

namespace Switchboard.Polling;

public sealed partial class EventLoop
{
    /// <summary>Watches a descriptor with a lambda. Loop's thread only.</summary>
    /// <param name="descriptor">The number; the caller keeps it open until it has unregistered it.</param>
    /// <param name="interest">What to watch.</param>
    /// <param name="onReady">Called on the loop's thread when it is ready. What it throws goes the way of posted work.</param>
    /// <param name="trigger">When it is called.</param>
    /// <returns>The registration.</returns>
    /// <exception cref="ArgumentException">The loop's selector has no such trigger.</exception>
    /// <exception cref="SystemCallException">The descriptor is not open, or can't be watched.</exception>
    public SelectorKey Register(int descriptor, Interest interest, Action<Readiness> onReady, Trigger trigger = Trigger.Level)
    {
        ArgumentNullException.ThrowIfNull(onReady);
        return Register(descriptor, interest, new LambdaHandler(this, onReady), trigger);
    }

    /// <summary>False if it can't watch descriptors, but runs posted work and timers only.</summary>
    internal bool WatchesDescriptors => _selector is not SleepSelector;

    private sealed class LambdaHandler(EventLoop loop, Action<Readiness> onReady) : IReadyHandler
    {
        public void OnReady(Readiness ready)
        {
            try
            {
                onReady(ready);
            }
            catch (Exception exception) when (loop.UnhandledException is { } unhandled)
            {
                unhandled(exception);
            }
        }
    }
}
