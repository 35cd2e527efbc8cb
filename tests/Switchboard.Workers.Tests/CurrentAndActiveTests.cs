using System.Runtime.CompilerServices;

namespace Switchboard.Workers.Tests;

public sealed class CurrentAndActiveTests
{
    [Fact]
    public void The_work_sees_its_own_worker_and_other_threads_see_none()
    {
        Assert.Null(ThreadWorker.Current);
        var seen = new ThreadWorker<ThreadWorker?>(() => ThreadWorker.Current);
        seen.Start();
        Assert.Same(seen, seen.Result);

        ThreadWorker? foreign = seen;
        var thread = new Thread(() => foreign = ThreadWorker.Current);
        thread.Start();
        Assert.True(thread.Join(Patience.Step));
        Assert.Null(foreign);
    }

    [Fact]
    public void A_foreign_thread_starts_and_joins_workers()
    {
        int result = 0;
        var thread = new Thread(() => result = ThreadWorker.Start(() => 42).Result);
        thread.Start();
        Assert.True(thread.Join(Patience.Step));
        Assert.Equal(42, result);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Active_holds_a_worker_from_start_to_end(bool isBackground)
    {
        using var finish = new ManualResetEventSlim();
        var worker = new ThreadWorker(finish.WaitOrFail) { IsBackground = isBackground };
        Assert.DoesNotContain(worker, ThreadWorker.Active);
        worker.Start();
        Assert.Contains(worker, ThreadWorker.Active);
        finish.Set();
        worker.JoinOrFail();
        Assert.DoesNotContain(worker, ThreadWorker.Active);
    }

    [Fact]
    public void A_worker_that_was_joined_is_never_active()
    {
        for (int i = 0; i < Patience.Rounds(100); i++)
        {
            ThreadWorker worker = ThreadWorker.Start(() => { });
            worker.JoinOrFail();
            Assert.DoesNotContain(worker, ThreadWorker.Active);
        }
    }

    [Fact]
    public void The_numbers_are_those_that_the_thread_sees()
    {
        ThreadWorker<(int, int?, int?)> worker = ThreadWorker.Start(
            () => (Environment.CurrentManagedThreadId, ThreadWorker.Current!.Id, ThreadWorker.Current.NativeId));
        (int managed, int? id, int? nativeId) = worker.Result;
        Assert.Equal(managed, id);
        Assert.Equal(worker.Id, id);
        Assert.Equal(worker.NativeId, nativeId);
    }

    [Fact]
    public void The_kernel_knows_the_native_number()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Threads are looked up in /proc.");
        using var finish = new ManualResetEventSlim();
        ThreadWorker[] workers = [ThreadWorker.Start(finish.WaitOrFail), ThreadWorker.Start(finish.WaitOrFail)];
        Assert.Distinct(workers.Select(worker => worker.NativeId).Append(Environment.ProcessId));
        Assert.All(workers, worker => Assert.True(Directory.Exists($"/proc/self/task/{worker.NativeId}")));
        finish.Set();
        Array.ForEach(workers, worker => worker.JoinOrFail());
    }

    [Fact]
    public void A_worker_that_nobody_joins_does_not_leak()
    {
        WeakReference worker = StartAndForget();
        Patience.Until(
            () =>
            {
                GC.Collect();
                return !worker.IsAlive;
            },
            "the worker is collected");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_worker_that_ended_lets_go_of_what_its_work_held(bool fails)
    {
        (ThreadWorker worker, WeakReference held) = StartHolding(fails);
        worker.JoinOrFail();
        Patience.Until(
            () =>
            {
                GC.Collect();
                return !held.IsAlive;
            },
            "what the work held is collected");
        GC.KeepAlive(worker);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference StartAndForget() => new(ThreadWorker.Start(() => { }));

    // The object refers to its worker, whose work refers to the object.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (ThreadWorker Worker, WeakReference Held) StartHolding(bool fails)
    {
        var held = new Holder();
        ThreadWorker<int> worker = ThreadWorker.Start(() => held.Run(fails));
        held.Worker = worker;
        _ = worker.Completion;
        return (worker, new WeakReference(held));
    }

    private sealed class Holder
    {
        internal ThreadWorker? Worker { get; set; }

        internal int Run(bool fails) => fails ? throw new InvalidDataException("the work failed") : Worker is null ? 0 : 1;
    }
}
