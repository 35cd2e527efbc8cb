namespace Switchboard.Bench;

/// <summary>What one round with one server gave.</summary>
/// <param name="Requests">How many were answered.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="ProcessorTime">What the server's process used for it, in all its threads.</param>
/// <param name="AllocatedBytes">What it allocated on its managed heap for it; null if it has none.</param>
/// <param name="OthersShare">How busy other programs kept the two processors meanwhile; 1 is one whole processor.</param>
internal sealed record Sample(long Requests, double Seconds, TimeSpan ProcessorTime, long? AllocatedBytes, double OthersShare)
{
    internal double KiloRequestsPerSecond => Requests / Seconds / 1000;

    internal double MicrosecondsPerRequest => ProcessorTime.TotalMicroseconds / Requests;

    internal double? BytesPerRequest => (double?)AllocatedBytes / Requests;
}
