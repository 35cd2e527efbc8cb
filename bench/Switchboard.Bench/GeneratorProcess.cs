using System.Text.Json;
using Switchboard.Bench.Load;

namespace Switchboard.Bench;

/// <summary>The load generator, seen from the run: another process on another processor than the servers.</summary>
internal sealed class GeneratorProcess : IDisposable
{
    private readonly ChildProcess _process;

    private GeneratorProcess(ChildProcess process) => _process = process;

    // Tiers are off so that its code is as fast in the first round as in the last.
    internal static GeneratorProcess Start(Cores cores) =>
        new(ChildProcess.Start("the load generator", ChildProcess.Self("generate"), cores.Generator, ("DOTNET_TieredCompilation", "0")));

    /// <summary>Calls a server for some time.</summary>
    /// <param name="server">The server.</param>
    /// <param name="request">What to send it.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <returns>What came of it, and what the server used for it.</returns>
    /// <exception cref="BenchException">A request failed, or a process ended.</exception>
    internal async Task<Sample> CallAsync(ServerProcess server, LoadRequest request, CancellationToken stop)
    {
        _process.Say(JsonSerializer.Serialize(request));
        await HearAsync(server, stop);
        long? allocatedBefore = await server.CountAllocatedAsync(stop);
        TimeSpan timeBefore = server.ProcessorTime;
        _process.Say("");
        LoadResult result = await HearAsync(server, stop);
        TimeSpan timeAfter = server.ProcessorTime;
        long? allocatedAfter = await server.CountAllocatedAsync(stop);
        _process.Say("");
        if (result.Requests == 0)
        {
            throw new BenchException($"{server.Name} answered no request in {request.Seconds} s; give it longer with --seconds.");
        }
        return new Sample(result.Requests, result.Seconds, timeAfter - timeBefore, allocatedAfter - allocatedBefore);
    }

    private async Task<LoadResult> HearAsync(ServerProcess server, CancellationToken stop)
    {
        LoadResult result = JsonSerializer.Deserialize<LoadResult>(await _process.HearAsync(stop))!;
        return result.Errors == 0 ? result : throw new BenchException($"Calling {server.Name} failed: {result.Error}");
    }

    public void Dispose() => _process.Dispose();
}
