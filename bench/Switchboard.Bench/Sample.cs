using Switchboard.Bench.Load;

namespace Switchboard.Bench;

/// <summary>What one round with one server gave.</summary>
/// <param name="Requests">How many were answered.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="ProcessorTime">What the server's process used for it, in all its threads.</param>
/// <param name="Latency">How long requests took.</param>
/// <param name="ResidentBytes">The server's resident memory at the end, with all connections still open.</param>
/// <param name="AllocatedBytes">What it allocated on its managed heap for it; null if it has none.</param>
/// <param name="CompiledMethods">How many methods its runtime compiled meanwhile; null if that can't be told.</param>
/// <param name="GeneratorTime">What the load generator used for it: near to the round's length, it was the slower side.</param>
/// <param name="OthersShare">How busy other programs kept the two processors meanwhile; 1 is one whole processor.</param>
internal sealed record Sample(
    long Requests,
    double Seconds,
    TimeSpan ProcessorTime,
    Latency Latency,
    long ResidentBytes,
    long? AllocatedBytes,
    int? CompiledMethods,
    TimeSpan GeneratorTime,
    double OthersShare)
{
    internal double KiloRequestsPerSecond => Requests / Seconds / 1000;

    internal double MicrosecondsPerRequest => ProcessorTime.TotalMicroseconds / Requests;

    internal double ResidentMegabytes => ResidentBytes / 1e6;

    internal double GeneratorShare => GeneratorTime.TotalSeconds / Seconds;

    internal double? BytesPerRequest => (double?)AllocatedBytes / Requests;
}

/// <summary>What a .NET server tells of itself.</summary>
/// <param name="AllocatedBytes">On its managed heap, since it started.</param>
/// <param name="HeapBytes">In objects on its managed heap that the last full collection left; 0 before one.</param>
/// <param name="CompiledMethods">Since it started; one counts each time that it is compiled.</param>
internal sealed record ManagedUse(long AllocatedBytes, long HeapBytes, int CompiledMethods)
{
    internal static ManagedUse OfThisProcess() => new(GC.GetTotalAllocatedBytes(precise: true), HeapBytesOfThisProcess(), (int)System.Runtime.JitInfo.GetCompiledMethodCount());

    // GC.GetTotalMemory counts wrongly where many threads have ended.
    internal static long HeapBytesOfThisProcess()
    {
        GCMemoryInfo info = GC.GetGCMemoryInfo(GCKind.FullBlocking);
        return info.HeapSizeBytes - info.FragmentedBytes;
    }
}
