namespace Switchboard.Servers;

/// <summary>The names under which every server of this process tells what it does. Who listens to them needs no host and no
/// other setting; while nobody does, it costs next to nothing. docs/operations.md lists the instruments.</summary>
public static class ServerTelemetry
{
    /// <summary>The meter of <see cref="System.Diagnostics.Metrics"/>: <c>AddMeter(ServerTelemetry.MeterName)</c> with
    /// OpenTelemetry, <c>dotnet-counters monitor --counters Switchboard.Servers</c> without.</summary>
    public const string MeterName = "Switchboard.Servers";

    /// <summary>The source of activities, one for each call: <c>AddSource(ServerTelemetry.ActivitySourceName)</c> with
    /// OpenTelemetry.</summary>
    public const string ActivitySourceName = "Switchboard.Servers";
}
