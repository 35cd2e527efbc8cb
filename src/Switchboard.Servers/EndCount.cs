namespace Switchboard.Servers;

/// <summary>How many have ended, by reason. Any thread.</summary>
internal sealed class EndCount
{
    private readonly long[] _counts = new long[Enum.GetValues<ConnectionEndReason>().Length];

    internal void Add(ConnectionEndReason reason) => Interlocked.Increment(ref _counts[(int)reason]);

    internal long Of(ConnectionEndReason reason) => Interlocked.Read(ref _counts[(int)reason]);

    /// <summary>Those reasons that there were.</summary>
    internal Dictionary<ConnectionEndReason, long> ToDictionary() =>
        Enum.GetValues<ConnectionEndReason>().Where(reason => Of(reason) > 0).ToDictionary(static reason => reason, Of);
}
