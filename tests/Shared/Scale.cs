using System.Globalization;

namespace Switchboard.Tests;

/// <summary>How much of something a test takes: little every day, more where <c>SWITCHBOARD_SCALE</c> asks for it.</summary>
internal static class Scale
{
    private static readonly int _factor = int.Parse(Environment.GetEnvironmentVariable("SWITCHBOARD_SCALE") ?? "1", CultureInfo.InvariantCulture);

    internal static int Of(int everyday) => everyday * _factor;
}
