using System.Globalization;

namespace Switchboard.Bench;

/// <summary>Writes results to standard output, one line each and nothing else:
/// <c>ratio NAME VALUE (ours X UNIT, PEER Y UNIT)</c>, VALUE being ours divided by the peer's.</summary>
internal static class Report
{
    internal static void Ratio(string name, double ours, string peer, double peers, string unit) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ratio {name} {ours / peers:F3} (ours {Figure(ours)} {unit}, {peer} {Figure(peers)} {unit})"));

    /// <summary>The middle of the rounds' figures.</summary>
    internal static double Median(IEnumerable<double> figures)
    {
        double[] sorted = [.. figures.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    // Two decimals are more than the noise allows from 100 on.
    private static string Figure(double value) => value.ToString(value >= 100 ? "F1" : "F2", CultureInfo.InvariantCulture);
}
