namespace Switchboard.Polling;

/// <summary>Sends the rest of an async method back to the loop that it was running on.</summary>
internal sealed class LoopSynchronizationContext(EventLoop loop) : SynchronizationContext
{
    public override void Post(SendOrPostCallback d, object? state) => loop.Post(d, state);

    public override void Send(SendOrPostCallback d, object? state)
    {
        if (loop.IsCurrent)
        {
            d(state);
            return;
        }
        var work = new Task(() => d(state));
        loop.Post(static task => ((Task)task!).RunSynchronously(), work);
        work.GetAwaiter().GetResult();
    }

    public override SynchronizationContext CreateCopy() => this;
}
