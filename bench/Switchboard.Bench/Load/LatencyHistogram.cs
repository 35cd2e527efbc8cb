using System.Diagnostics;
using System.Numerics;

namespace Switchboard.Bench.Load;

/// <summary>Counts latencies in buckets of a fixed number, each less than 1.6 % wide: up to 127 ticks of the clock one
/// bucket each, then 64 for each doubling. Recording allocates nothing.</summary>
internal sealed class LatencyHistogram
{
    private const int BucketBits = 6;
    private const int BucketsPerDoubling = 1 << BucketBits;

    private readonly long[] _counts = new long[(64 - BucketBits + 1) * BucketsPerDoubling];
    private long _total;

    /// <summary>Counts one.</summary>
    /// <param name="ticks">How long it took, in ticks of <see cref="Stopwatch"/>, 0 or more.</param>
    internal void Record(long ticks)
    {
        _counts[BucketOf(ticks)]++;
        _total++;
    }

    internal void Clear()
    {
        Array.Clear(_counts);
        _total = 0;
    }

    /// <summary>The time within which a share of all were done, in microseconds; 0 if nothing was counted.</summary>
    /// <param name="share">0 to 1: 0.99 for the 99th percentile.</param>
    internal double Microseconds(double share)
    {
        long wanted = Math.Max(1, (long)Math.Ceiling(_total * share));
        long seen = 0;
        for (int bucket = 0; bucket < _counts.Length; bucket++)
        {
            seen += _counts[bucket];
            if (seen >= wanted)
            {
                return MiddleOf(bucket) * 1_000_000 / Stopwatch.Frequency;
            }
        }
        return 0;
    }

    private static int BucketOf(long ticks)
    {
        int doublings = Math.Max(0, BitOperations.Log2((ulong)ticks) - BucketBits);
        return (doublings * BucketsPerDoubling) + (int)(ticks >> doublings);
    }

    private static double MiddleOf(int bucket)
    {
        int doublings = Math.Max(0, (bucket / BucketsPerDoubling) - 1);
        double first = Math.ScaleB(bucket - (doublings * BucketsPerDoubling), doublings);
        return first + ((Math.ScaleB(1, doublings) - 1) / 2);
    }
}
