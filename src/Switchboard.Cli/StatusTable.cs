using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Switchboard.Cli;

/// <summary>What <c>status</c> tells, for people.</summary>
internal static class StatusTable
{
    private static readonly string[] _endpoint = ["address", "handler", "model", "open", "accepted", "refused", "paused", "delay", "tls", "proxy"];
    private static readonly string[] _connection = ["id", "peer", "endpoint", "handler", "age", "received", "sent", "tls", "proxy"];

    internal static string Of(JsonObject status)
    {
        var text = new StringBuilder();
        var up = TimeSpan.FromSeconds(Math.Floor(status["uptime"]!.GetValue<double>()));
        text.AppendLine(CultureInfo.InvariantCulture, $"process {status["pid"]}{(status["name"] is { } name ? $", {name}" : "")}, up {up:c}").AppendLine();
        Rows(text, _endpoint, status["endpoints"]!.AsArray());
        foreach (JsonNode? endpoint in status["endpoints"]!.AsArray())
        {
            foreach (JsonNode? certificate in endpoint!["tls"]?["certificates"]?.AsArray() ?? [])
            {
                text.AppendLine().Append(CultureInfo.InvariantCulture, $"{endpoint["address"]} certificate: {certificate!["subject"]} for {Names(certificate)}, expires {certificate["expires"]}, {Days(certificate["days"]!.GetValue<double>())}");
            }
            if (endpoint!["ended"]!.AsObject() is { Count: > 0 } ended)
            {
                text.AppendLine().Append(CultureInfo.InvariantCulture, $"{endpoint["address"]} ended: {string.Join(", ", ended.Select(static row => $"{row.Key} {row.Value}"))}");
            }
        }
        if (status["connections"] is JsonArray connections)
        {
            text.AppendLine().AppendLine();
            Rows(text, _connection, connections);
        }
        return text.ToString().TrimEnd();
    }

    private static void Rows(StringBuilder text, string[] columns, JsonArray rows)
    {
        string[][] cells = [columns, .. rows.Select(row => columns.Select(column => Cell(column, row![column])).ToArray())];
        int[] widths = [.. columns.Select((_, i) => cells.Max(row => row[i].Length))];
        foreach (string[] row in cells)
        {
            text.AppendLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
        }
    }

    private static string Cell(string column, JsonNode? value) => (column, value) switch
    {
        ("delay", null) => "blocked",
        (_, null) => "-",
        ("delay", _) => string.Create(CultureInfo.InvariantCulture, $"{value.GetValue<double>() * 1000:0.000} ms"),
        ("tls", JsonObject tls) => $"{tls["version"] ?? $"{tls["min"]}+"}",
        ("proxy", JsonObject proxy) => proxy["version"] is { } version ? $"v{version} from {proxy["address"]}" : "yes",
        ("age", _) => string.Create(CultureInfo.InvariantCulture, $"{value.GetValue<double>():0.0} s"),
        _ => value.ToString(),
    };

    private static string Names(JsonNode certificate) => certificate["names"]!.AsArray() is { Count: > 0 } names ? string.Join(", ", names) : "no name";

    private static string Days(double days) => days < 0 ? "EXPIRED" : string.Create(CultureInfo.InvariantCulture, $"in {days} days");
}
