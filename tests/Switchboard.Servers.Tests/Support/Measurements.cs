using System.Diagnostics.Metrics;

namespace Switchboard.Servers.Tests;

/// <summary>Listens to the meter, as an exporter does, and keeps what one server says.</summary>
internal sealed class Measurements : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly List<(string Instrument, double Value, Dictionary<string, object?> Tags)> _seen = [];
    private readonly string _server;

    internal Measurements(string server)
    {
        _server = server;
        _listener.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Meter.Name == ServerTelemetry.MeterName)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument.Name, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument.Name, value, tags));
        _listener.Start();
    }

    /// <summary>What an instrument that is observed says now: the sum of its rows, of one reason or of all.</summary>
    internal double? Observe(string instrument, ConnectionEndReason? reason = null)
    {
        lock (_seen)
        {
            _seen.RemoveAll(row => row.Instrument == instrument);
        }
        _listener.RecordObservableInstruments();
        (string, double Value, Dictionary<string, object?>)[] rows = Of(instrument, reason);
        return rows.Length == 0 ? null : rows.Sum(row => row.Value);
    }

    internal (string Instrument, double Value, Dictionary<string, object?> Tags)[] Of(string instrument, ConnectionEndReason? reason = null)
    {
        lock (_seen)
        {
            return [.. _seen.Where(row => row.Instrument == instrument && (reason is null || $"{reason}".Equals(row.Tags.GetValueOrDefault("switchboard.end.reason"))))];
        }
    }

    private void Add(string instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var all = new Dictionary<string, object?>();
        foreach (KeyValuePair<string, object?> tag in tags)
        {
            all.Add(tag.Key, tag.Value);
        }
        if (_server.Equals(all.GetValueOrDefault("switchboard.server")))
        {
            lock (_seen)
            {
                _seen.Add((instrument, value, all));
            }
        }
    }

    public void Dispose() => _listener.Dispose();
}
