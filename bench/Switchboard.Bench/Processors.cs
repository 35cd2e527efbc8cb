using System.Globalization;

namespace Switchboard.Bench;

/// <summary>How busy processors have been, by all that ran on them, as <c>/proc/stat</c> counts it (<c>proc(5)</c>) in
/// ticks of the clock: exact to some hundredths of a second.</summary>
internal static class Processors
{
    // What USER_HZ is on x64 and arm64.
    private const int TicksPerSecond = 100;

    // Of the counts of a line: time idle, and time idle that waits for a disk.
    private const int Idle = 3;
    private const int WaitingForDisk = 4;

    // After these come counts of guests, which are in the first ones already.
    private const int Counts = 8;

    /// <summary>How long a processor has been busy since the system started.</summary>
    /// <param name="processor">Its number; null for no processor.</param>
    internal static TimeSpan BusyTime(int? processor)
    {
        if (processor is null)
        {
            return TimeSpan.Zero;
        }
        string[] line = File.ReadLines("/proc/stat").First(line => line.StartsWith($"cpu{processor} ", StringComparison.Ordinal)).Split(' ');
        long busy = line.Skip(1).Take(Counts).Where((_, at) => at is not (Idle or WaitingForDisk)).Sum(count => long.Parse(count, CultureInfo.InvariantCulture));
        return TimeSpan.FromSeconds((double)busy / TicksPerSecond);
    }
}
