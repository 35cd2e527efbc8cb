using System.Runtime.CompilerServices;
using Switchboard.Workers;

// Each verb is one way for a program with workers to end. A line on standard input is the parent's word to go on.
ManualResetEventSlim never = new();
switch (args[0])
{
    case "foreground-outlives-main":
        ThreadWorker.Start(ReadAndEnd);
        break;

    case "background-ends-with-main":
        Started(isBackground: true, () =>
        {
            never.Wait();
            Console.WriteLine("end of worker");
        });
        break;

    case "background-is-inherited":
        ThreadWorker.Start(() => Started(isBackground: null, never.Wait), isBackground: true).Join();
        break;

    case "foreground-under-background":
        ThreadWorker.Start(() => ThreadWorker.Start(ReadAndEnd, isBackground: false), isBackground: true).Join();
        break;

    case "join-main":
        Thread main = Thread.CurrentThread;
        ThreadWorker.Start(() =>
        {
            Console.ReadLine();
            Console.WriteLine(main.Join(200));
        });
        break;

    case "environment-exit":
        Started(isBackground: false, never.Wait);
        Console.WriteLine("end of main");
        Environment.Exit(42);
        break;

    case "environment-exit-in-worker":
        ThreadWorker.Start(() => Environment.Exit(43));
        never.Wait();
        break;

    case "at-exit":
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Console.WriteLine($"at exit, {ThreadWorker.Active.Count} active");
        ThreadWorker.Start(ReadAndEnd);
        break;

    case "at-exit-too-late":
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            Console.WriteLine("at exit");
            AppDomain.CurrentDomain.ProcessExit += (_, _) => Console.WriteLine("too late");
        };
        break;

    case "busy-background":
        using (var allHaveRun = new CountdownEvent(40))
        {
            for (int i = 0; i < 40; i++)
            {
                Started(isBackground: true, () => ReadForEver(allHaveRun));
            }
            allHaveRun.Wait();
            Environment.Exit(0);
        }
        break;

    case "throw":
        ThreadWorker.Start(() => throw new InvalidDataException("the work failed"), name: "thrower").Join();
        break;

    case "throw-after-main":
        ThreadWorker.Start(
            () =>
            {
                Console.ReadLine();
                throw new InvalidDataException("the work failed");
            },
            name: "thrower");
        break;

    case "throw-without-standard-error":
        Console.SetError(TextWriter.Null);
        ThreadWorker.Start(() => throw new InvalidDataException("the work failed")).Join();
        break;

    case "result-nobody-asked-for":
        ThreadWorker.Start<int>(() => throw new InvalidDataException("the work failed"), name: "thrower").Join();
        break;

    case "result-asked-for":
        try
        {
            _ = ThreadWorker.Start<int>(() => throw new InvalidDataException("the work failed")).Result;
        }
        catch (InvalidDataException failure)
        {
            Console.WriteLine(failure.Message);
        }
        break;

    case "recurse-with-a-check":
        ThreadWorker.Start(() => Recurse(check: true), stackSize: 1024 * 1024).Join();
        break;

    case "recurse":
        ThreadWorker.Start(() => Recurse(check: false)).Join();
        break;

    case "no-room-for-a-thread":
        WithoutRoomForAThread(never);
        break;

    default:
        Console.Error.WriteLine($"There is no verb {args[0]}.");
        return 2;
}
Console.WriteLine("end of main");
return 7;

static void ReadAndEnd()
{
    Console.ReadLine();
    Console.WriteLine("end of worker");
}

static void Started(bool? isBackground, Action work)
{
    using var running = new ManualResetEventSlim();
    ThreadWorker.Start(
        () =>
        {
            running.Set();
            work();
        },
        isBackground: isBackground);
    running.Wait();
}

static void ReadForEver(CountdownEvent allHaveRun)
{
    byte[] buffer = new byte[200];
    for (bool first = true; ; first = false)
    {
        using (FileStream file = File.OpenRead(typeof(ThreadWorker).Assembly.Location))
        {
            file.ReadExactly(buffer);
        }
        if (first)
        {
            allHaveRun.Signal();
        }
    }
}

[MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.NoOptimization)]
static int Recurse(bool check)
{
    if (check)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
    }
    return Recurse(check) + 1;
}

// The parent limits the address space, and so there comes a worker whose stack has no room.
static void WithoutRoomForAThread(ManualResetEventSlim never)
{
    while (true)
    {
        var worker = new ThreadWorker(never.Wait) { IsBackground = true, StackSize = 256 * 1024 * 1024 };
        try
        {
            worker.Start();
        }
        catch (OutOfMemoryException)
        {
            Console.WriteLine($"{worker.IsAlive} {worker.Id is null} {ThreadWorker.Active.Contains(worker)}");
            worker.StackSize = ThreadWorker.MinimumStackSize;
            worker.Start();
            Console.WriteLine($"{worker.IsAlive} {worker.Id is null} {ThreadWorker.Active.Contains(worker)}");
            return;
        }
    }
}
