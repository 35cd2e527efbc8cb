namespace Switchboard.Workers;

/// <summary>Says which worker ended with which exception.</summary>
public sealed class WorkerExceptionEventArgs : EventArgs
{
    internal WorkerExceptionEventArgs(Worker worker, Exception exception)
    {
        Worker = worker;
        Exception = exception;
    }

    /// <summary>The worker that ended.</summary>
    public Worker Worker { get; }

    /// <summary>What left its work, with the stack of the place that threw it.</summary>
    public Exception Exception { get; }
}
