namespace Switchboard.Workers;

/// <summary>How far a worker is on its one way.</summary>
internal enum WorkerState
{
    /// <summary>Made, not started; its settings may change.</summary>
    Initial,

    /// <summary>Started, its work has not ended.</summary>
    Started,

    /// <summary>Its work has ended, well or not.</summary>
    Stopped,
}
