using System.Collections.Concurrent;
using System.Text;
using Switchboard.Servers;

namespace Switchboard.Hosting.Tests;

/// <summary>A service for one call, that counts where it lives and dies.</summary>
public sealed class Visit(Visits visits) : IAsyncDisposable
{
    public int Number { get; } = visits.Next();

    public async ValueTask DisposeAsync()
    {
        await Task.Yield();
        visits.Ended.Enqueue(Number);
    }
}

/// <summary>A service for the whole host.</summary>
public sealed class Visits
{
    private int _count;

    public ConcurrentQueue<int> Ended { get; } = new();

    public int Next() => Interlocked.Increment(ref _count);
}

/// <summary>Says which visit it is, and the same after each line.</summary>
public sealed class VisitHandler(Visit visit, Visit same) : RequestHandler
{
    protected override Task SetupAsync(CancellationToken stop) => SayAsync(stop);

    protected override async Task HandleAsync(CancellationToken stop)
    {
        await foreach (ReadOnlyMemory<byte> _ in Connection.ReadMessagesAsync(Framing.Line, stop))
        {
            await SayAsync(stop);
        }
    }

    private async Task SayAsync(CancellationToken stop) =>
        await Connection.WriteAsync(Encoding.ASCII.GetBytes(visit == same ? $"{visit.Number}\n" : "two\n"), stop);
}

public sealed class BlockingVisitHandler(Visit visit) : BlockingRequestHandler
{
    protected override void Handle(CancellationToken stop) => Connection.Write(Encoding.ASCII.GetBytes($"{visit.Number}\n"));
}

public sealed class VisitDatagramHandler(Visit visit) : DatagramRequestHandler
{
    protected override async Task HandleAsync(CancellationToken stop) => await ReplyAsync(Encoding.ASCII.GetBytes($"{visit.Number}"), stop);
}
