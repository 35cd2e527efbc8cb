namespace Switchboard.Polling;

/// <summary>Runs tasks on a loop's thread.</summary>
internal sealed class LoopTaskScheduler(EventLoop loop) : TaskScheduler
{
    public override int MaximumConcurrencyLevel => 1;

    protected override void QueueTask(Task task) => loop.Post(state => TryExecuteTask((Task)state!), task);

    // One that is queued as well is passed over when its turn comes: a task runs once.
    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => loop.IsCurrent && TryExecuteTask(task);

    // Only debuggers ask.
    protected override IEnumerable<Task> GetScheduledTasks() => [];
}
