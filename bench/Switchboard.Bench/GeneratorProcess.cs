using System.Text.Json;
using Switchboard.Bench.Load;
using Switchboard.Linux;

namespace Switchboard.Bench;

/// <summary>The load generator, seen from the run: another process on another processor than the servers.</summary>
internal sealed class GeneratorProcess : IDisposable
{
    // What a process has open beside its connections: a runtime's libraries, pipes, epolls.
    private const int OtherDescriptors = 256;

    private readonly ChildProcess _process;
    private readonly Cores _cores;

    private GeneratorProcess(ChildProcess process, Cores cores) => (_process, _cores) = (process, cores);

    // Tiers are off so that its code is as fast in the first round as in the last.
    internal static GeneratorProcess Start(Cores cores) =>
        new(ChildProcess.Start("the load generator", ChildProcess.Self("generate"), cores.Generator, ("DOTNET_TieredCompilation", "0")), cores);

    /// <summary>Opens connections to a server, of which each echoes one message, and holds them open for a while.</summary>
    /// <param name="server">The server.</param>
    /// <param name="connections">How many.</param>
    /// <param name="size">Bytes in the message.</param>
    /// <param name="meanwhile">What to do with them open.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <exception cref="BenchException">A connection failed, or a process ended.</exception>
    internal async Task HoldAsync(ServerProcess server, int connections, int size, Func<Task> meanwhile, CancellationToken stop)
    {
        await OpenAsync(server, new LoadRequest(server.Port, connections, size, Reconnect: false, Seconds: 0), stop);
        await meanwhile();
        _process.Say("");
        await HearAsync(server, stop);
        _process.Say("");
        await server.BecomeIdleAsync(stop);
    }

    /// <summary>Calls a server for some time.</summary>
    /// <param name="server">The server.</param>
    /// <param name="request">What to send it.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <returns>What came of it, and what the server used for it.</returns>
    /// <exception cref="BenchException">A request failed, or a process ended.</exception>
    internal async Task<Sample> CallAsync(ServerProcess server, LoadRequest request, CancellationToken stop)
    {
        await OpenAsync(server, request, stop);
        ManagedUse? useBefore = await server.AskAsync(stop);
        TimeSpan othersBefore = OthersTime(server);
        TimeSpan ownBefore = _process.ProcessorTime;
        TimeSpan timeBefore = server.ProcessorTime;
        _process.Say("");
        LoadResult result = await HearAsync(server, stop);
        TimeSpan timeAfter = server.ProcessorTime;
        TimeSpan ownAfter = _process.ProcessorTime;
        long resident = server.ResidentBytes;
        TimeSpan othersAfter = OthersTime(server);
        ManagedUse? useAfter = await server.AskAsync(stop);
        _process.Say("");
        await server.BecomeIdleAsync(stop);
        if (result.Requests == 0)
        {
            throw new BenchException($"{server.Name} answered no request in {request.Seconds} s; give it longer with --seconds.");
        }
        return new Sample(
            result.Requests,
            result.Seconds,
            timeAfter - timeBefore,
            result.Latency!,
            resident,
            useAfter?.AllocatedBytes - useBefore?.AllocatedBytes,
            useAfter?.CompiledMethods - useBefore?.CompiledMethods,
            ownAfter - ownBefore,
            (othersAfter - othersBefore).TotalSeconds / result.Seconds);
    }

    // The .NET runtime has raised the soft limit to the hard one, and what it starts inherits that.
    private async Task OpenAsync(ServerProcess server, LoadRequest request, CancellationToken stop)
    {
        int limit = ProcessCalls.DescriptorLimit();
        if (request.Callers > limit - OtherDescriptors)
        {
            throw new BenchException($"{request.Callers} connections need more descriptors than the {limit} that a process may have open here; raise the hard limit (ulimit -Hn).");
        }
        _process.Say(JsonSerializer.Serialize(request));
        await HearAsync(server, stop);
    }

    // What runs on the two processors beside the two processes that are meant to.
    private TimeSpan OthersTime(ServerProcess server) =>
        _cores.Server is null
            ? TimeSpan.Zero
            : Processors.BusyTime(_cores.Server) - server.ProcessorTime + Processors.BusyTime(_cores.Generator) - _process.ProcessorTime - (Helper?.ProcessorTime ?? TimeSpan.Zero);

    /// <summary>What the servers under test call themselves; it has the generator's processor, and is meant to.</summary>
    internal ServerProcess? Helper { get; set; }

    private async Task<LoadResult> HearAsync(ServerProcess server, CancellationToken stop)
    {
        LoadResult result = JsonSerializer.Deserialize<LoadResult>(await _process.HearAsync(stop))!;
        return result.Errors == 0 ? result : throw new BenchException($"Calling {server.Name} failed: {result.Error}");
    }

    public void Dispose() => _process.Dispose();
}
