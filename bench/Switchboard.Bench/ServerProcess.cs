using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Switchboard.Bench;

/// <summary>A server under test, seen from the run: a process of its own, kept on one processor.</summary>
internal sealed class ServerProcess : IDisposable
{
    private const string Unit = " kB";

    private const double IdleShare = 0.05;

    private static readonly TimeSpan _look = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan _longestWork = TimeSpan.FromSeconds(10);

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
    internal TimeSpan ProcessorTime => _process.ProcessorTime;

    /// <summary>Waits until it has nothing left to do: connections that were closed are work too, and would fall into the
    /// next measurement. Gives up after some seconds.</summary>
    internal async Task BecomeIdleAsync(CancellationToken stop)
    {
        long started = Stopwatch.GetTimestamp();
        TimeSpan before;
        TimeSpan after = ProcessorTime;
        do
        {
            before = after;
            await Task.Delay(_look, stop);
            after = ProcessorTime;
        }
        while ((after - before) / _look > IdleShare && Stopwatch.GetElapsedTime(started) < _longestWork);
    }

    /// <summary>How much memory it has in use, as VmRSS of <c>proc(5)</c> counts it.</summary>
    internal long ResidentBytes => Status("VmRSS:");

    /// <summary>As <see cref="ResidentBytes"/>, but for pages of files: those come and go as the kernel likes.</summary>
    internal long PrivateBytes => Status("RssAnon:") + Status("RssShmem:");

    private long Status(string field)
    {
        string line = File.ReadLines($"/proc/{_process.Id}/status").First(line => line.StartsWith(field, StringComparison.Ordinal));
        return long.Parse(line.AsSpan(field.Length, line.Length - field.Length - Unit.Length), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>What it tells of itself; null if it is no .NET program.</summary>
    internal Task<ManagedUse?> AskAsync(CancellationToken stop) => AskAsync(ServerVerb.UseQuestion, stop);

    /// <summary>As <see cref="AskAsync(CancellationToken)"/>, once it has given back all memory that it does not need.</summary>
    internal Task<ManagedUse?> CollectAsync(CancellationToken stop) => AskAsync(ServerVerb.CollectQuestion, stop);

    private async Task<ManagedUse?> AskAsync(string question, CancellationToken stop)
    {
        if (!_managed)
        {
            return null;
        }
        _process.Say(question);
        return JsonSerializer.Deserialize<ManagedUse>(await _process.HearAsync(stop));
    }

    public void Dispose() => _process.Dispose();
}
