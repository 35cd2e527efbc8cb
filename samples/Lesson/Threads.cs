using Switchboard.Workers;

namespace Lesson;

/// <summary>Row 10. Ten threads print their number; then start, name, background, join and run, one after another. With
/// <c>background</c> or <c>foreground</c>, and a pause in milliseconds: what becomes of a thread when the main one ends.</summary>
internal static class Threads
{
    public static int Run(string[] args)
    {
        if (args is ["background" or "foreground", ..])
        {
            int pause = args.Length > 1 ? int.Parse(args[1]) : 1000;
            EndBefore(pause, isBackground: args[0] == "background");
            return 0;
        }

        var workers = new List<ThreadWorker>();
        for (int i = 0; i < 10; i++)
        {
            int number = i;
            workers.Add(ThreadWorker.Start(() => Console.WriteLine(number)));
        }
        workers.ForEach(worker => worker.Join());

        using var bell = new ManualResetEventSlim();
        var sleeper = new ThreadWorker(bell.Wait);
        Console.WriteLine($"name: {sleeper.Name}");
        sleeper.Name = "sleeper";
        Console.WriteLine($"name: {sleeper.Name}");
        Console.WriteLine($"background: {sleeper.IsBackground}");
        Console.WriteLine($"alive before start: {sleeper.IsAlive}");
        sleeper.Start();
        Console.WriteLine($"alive after start: {sleeper.IsAlive}");
        Console.WriteLine($"joined in 100 ms: {sleeper.Join(TimeSpan.FromMilliseconds(100))}");
        bell.Set();
        sleeper.Join();
        Console.WriteLine($"alive after join: {sleeper.IsAlive}");

        var greeter = new Greeter { Name = "greeter" };
        greeter.Start();
        greeter.Join();
        return 0;
    }

    private static void EndBefore(int pause, bool isBackground)
    {
        ThreadWorker.Start(
            () =>
            {
                Thread.Sleep(pause);
                Console.WriteLine("end of thread");
            },
            isBackground: isBackground);
        Console.WriteLine("end of main");
    }

    private sealed class Greeter : ThreadWorker
    {
        protected override void Run() => Console.WriteLine($"run: {Name}");
    }
}
