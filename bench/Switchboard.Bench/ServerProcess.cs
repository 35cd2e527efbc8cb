using System.Globalization;
using System.Text.Json;
using Switchboard.Linux;

namespace Switchboard.Bench;

/// <summary>A server under test, seen from the run: a process of its own, kept on one processor.</summary>
internal sealed class ServerProcess : IDisposable
{
    private const string Resident = "VmRSS:";
    private const string Unit = " kB";

    private readonly ChildProcess _process;
    private readonly bool _managed;

    private ServerProcess(ChildProcess process, string name, int port, bool managed) =>
        (_process, Name, Port, _managed) = (process, name, port, managed);

    internal string Name { get; }

    internal int Port { get; }

    /// <summary>Starts a server and waits until it takes callers.</summary>
    internal static async Task<ServerProcess> StartAsync(Server server, Cores cores, CancellationToken stop)
    {
        ChildProcess process = ChildProcess.Start(server.Name, server.Command, cores.Server);
        try
        {
            string line = await process.HearAsync(stop);
            return int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out int port)
                ? new ServerProcess(process, server.Name, port, server.Managed)
                : throw new BenchException($"{server.Name} was to write its port and wrote '{line}'.");
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

    /// <summary>The processor time that it has used so far, in all its threads.</summary>
    internal TimeSpan ProcessorTime => ProcessCalls.ProcessorTime(_process.Id);

    /// <summary>How much memory it has in use, as VmRSS of <c>proc(5)</c> counts it.</summary>
    internal long ResidentBytes
    {
        get
        {
            string line = File.ReadLines($"/proc/{_process.Id}/status").First(line => line.StartsWith(Resident, StringComparison.Ordinal));
            return long.Parse(line.AsSpan(Resident.Length, line.Length - Resident.Length - Unit.Length), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture) * 1024;
        }
    }

    /// <summary>What it tells of itself; null if it is no .NET program.</summary>
    internal async Task<ManagedUse?> AskAsync(CancellationToken stop)
    {
        if (!_managed)
        {
            return null;
        }
        _process.Say(ServerVerb.UseQuestion);
        return JsonSerializer.Deserialize<ManagedUse>(await _process.HearAsync(stop));
    }

    public void Dispose() => _process.Dispose();
}
