using Switchboard.Workers;

namespace Lesson;

/// <summary>Row 12. Ten threads start; those with an even number wait for an event, which the main thread sets when it reads
/// <c>true</c>.</summary>
internal static class ThreadEvent
{
    public static int Run(string[] args)
    {
        var signal = new ManualResetEventSlim();
        signal.Reset();
        ThreadWorker[] workers = [.. Enumerable.Range(0, 10).Select(i => ThreadWorker.Start(() => Execute(i, signal), isBackground: true))];
        string? line;
        while ((line = Console.ReadLine()) != "true")
        {
            if (line is null)
            {
                Console.Error.WriteLine("The input ended without the line true, so the threads that wait are given up.");
                return 1;
            }
        }
        signal.Set();
        Array.ForEach(workers, worker => worker.Join());
        return 0;
    }

    private static void Execute(int number, ManualResetEventSlim signal)
    {
        Console.WriteLine($"start,{number}");
        if (number % 2 == 0)
        {
            signal.Wait();
        }
        Console.WriteLine($"execute {number}");
    }
}
