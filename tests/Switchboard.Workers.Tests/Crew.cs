namespace Switchboard.Workers.Tests;

/// <summary>Several workers at the same work, whose failures are the test's.</summary>
internal sealed class Crew : IDisposable
{
    private readonly ThreadWorker<bool>[] _workers;
    private readonly Thread?[] _threads;

    internal Crew(int count, Action work)
    {
        _threads = new Thread?[count];
        _workers = [.. Enumerable.Range(0, count).Select(i => ThreadWorker.Start(() =>
        {
            Volatile.Write(ref _threads[i], Thread.CurrentThread);
            work();
            return true;
        }))];
    }

    /// <summary>Waits until so many of them wait for something.</summary>
    internal void UntilBlocked(int count) =>
        Patience.Until(() => Enumerable.Range(0, _threads.Length).Count(i => Volatile.Read(ref _threads[i])?.IsBlocked() == true) >= count, $"{count} workers wait");

    /// <summary>How many have ended.</summary>
    internal int Ended => _workers.Count(worker => !worker.IsAlive);

    /// <summary>Waits until all have ended, and throws what one threw.</summary>
    internal void End()
    {
        foreach (ThreadWorker<bool> worker in _workers)
        {
            worker.JoinOrFail();
            _ = worker.Result;
        }
    }

    public void Dispose() => End();

    internal static void Run(int count, Action work) => new Crew(count, work).End();
}
