using Switchboard.Workers;

namespace Lesson;

/// <summary>Row 11. Ten threads add 1 to one number, each while it holds a lock that its holder may take again. The
/// argument is the pause inside the lock in milliseconds.</summary>
internal static class ThreadLock
{
    private static readonly Lock _gate = new();
    private static int _number;

    public static int Run(string[] args)
    {
        int pause = args is [string first, ..] ? int.Parse(first) : 1000;
        ThreadWorker[] workers = [.. Enumerable.Range(0, 10).Select(_ => ThreadWorker.Start(() => Add(pause)))];
        Array.ForEach(workers, worker => worker.Join());
        return 0;
    }

    private static void Add(int pause)
    {
        lock (_gate)
        {
            lock (_gate)
            {
                _number++;
                Thread.Sleep(pause);
            }
            Console.WriteLine(_number);
        }
    }
}
