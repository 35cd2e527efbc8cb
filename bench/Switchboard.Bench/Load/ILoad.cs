namespace Switchboard.Bench.Load;

/// <summary>Callers of an echo server, a fixed number at once, each of which sends its next request when the last was
/// answered. Its methods fail with a <see cref="LoadException"/> if an answer was wrong or did not come, and with an
/// <see cref="IOException"/> if a connection could not be made or broke.</summary>
internal interface ILoad : IDisposable
{
    /// <summary>How long each request of the last run took, from before it was sent (with a new connection for each: from
    /// before it connected) until its answer was read. It counts the time that an answer waits for this process too.</summary>
    LatencyHistogram Latencies { get; }

    /// <summary>Makes the connections that are kept, before the time that is measured, and sends a request on each: only
    /// its answer shows that the server has accepted the connection and made what it needs for it.</summary>
    void Open();

    /// <summary>Sends requests until the time is over, then waits for the answers to those sent.</summary>
    /// <returns>How many requests were answered.</returns>
    long Run(TimeSpan time);
}
