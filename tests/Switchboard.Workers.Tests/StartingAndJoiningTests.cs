namespace Switchboard.Workers.Tests;

public sealed class StartingAndJoiningTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(ThreadWorker.MinimumStackSize)]
    [InlineData(1024 * 1024)]
    public void Ten_workers_pass_a_semaphore_of_three_whatever_their_stack(int stackSize)
    {
        using var semaphore = new SemaphoreSlim(3, 3);
        using var threeAreIn = new CountdownEvent(3);
        var gate = new Lock();
        int running = 0;
        int most = 0;
        int ended = 0;
        void Work()
        {
            Assert.True(semaphore.Wait(Patience.Step));
            lock (gate)
            {
                most = Math.Max(most, ++running);
            }
            if (!threeAreIn.IsSet)
            {
                threeAreIn.Signal();
                Assert.True(threeAreIn.Wait(Patience.Step));
            }
            lock (gate)
            {
                running--;
                ended++;
            }
            semaphore.Release();
        }

        ThreadWorker[] workers = [.. Enumerable.Range(0, 10).Select(i => new ThreadWorker(Work) { Name = $"<worker {i}>", StackSize = stackSize })];
        foreach (ThreadWorker worker in workers)
        {
            Assert.Null(worker.Id);
            Assert.Null(worker.NativeId);
            Assert.Equal($"ThreadWorker({worker.Name}, initial)", worker.ToString());
            worker.Start();
        }
        Assert.Equal(11, workers.Select(worker => worker.Id).Append(Environment.CurrentManagedThreadId).Distinct().Count());
        foreach (ThreadWorker worker in workers)
        {
            worker.JoinOrFail();
            Assert.False(worker.IsAlive);
            Assert.Equal($"ThreadWorker({worker.Name}, stopped {worker.Id})", worker.ToString());
            Assert.True(worker.Completion.IsCompletedSuccessfully, worker.Completion.Exception?.ToString());
        }
        Assert.Equal((3, 0, 10), (most, running, ended));
    }

    [Fact]
    public void A_worker_is_alive_from_start_to_end()
    {
        using var running = new ManualResetEventSlim();
        using var finish = new ManualResetEventSlim();
        bool aliveInside = false;
        ThreadWorker? worker = null;
        worker = new ThreadWorker(() =>
        {
            aliveInside = worker!.IsAlive;
            running.Set();
            finish.WaitOrFail();
        });
        Assert.False(worker.IsAlive);
        worker.Start();
        Assert.True(worker.IsAlive);
        running.WaitOrFail();
        Assert.True(worker.IsAlive);
        Assert.False(worker.Completion.IsCompleted);
        finish.Set();
        worker.JoinOrFail();
        Assert.False(worker.IsAlive);
        Assert.True(aliveInside);
        Assert.True(worker.Completion.IsCompletedSuccessfully);
    }

    [Fact]
    public void A_worker_starts_once()
    {
        using var finish = new ManualResetEventSlim();
        ThreadWorker worker = ThreadWorker.Start(finish.WaitOrFail, name: "once");
        InvalidOperationException whileAlive = Assert.Throws<InvalidOperationException>(worker.Start);
        Assert.Equal($"ThreadWorker(once, started {worker.Id}) cannot be started: it was started before, and a worker runs once. Make another one.", whileAlive.Message);
        finish.Set();
        worker.JoinOrFail();
        Assert.Throws<InvalidOperationException>(worker.Start);
    }

    [Fact]
    public void Of_many_threads_that_start_one_worker_one_succeeds()
    {
        int runs = 0;
        var worker = new ThreadWorker(() => Interlocked.Increment(ref runs));
        int refused = 0;
        using var together = new Barrier(8);
        ThreadWorker[] starters = [.. Enumerable.Range(0, 8).Select(_ => ThreadWorker.Start(() =>
        {
            together.SignalAndWait(Patience.Step);
            try
            {
                worker.Start();
            }
            catch (InvalidOperationException)
            {
                Interlocked.Increment(ref refused);
            }
        }))];
        Array.ForEach(starters, starter => starter.JoinOrFail());
        worker.JoinOrFail();
        Assert.Equal((1, 7), (runs, refused));
    }

    [Fact]
    public void Joining_a_worker_that_was_not_started_is_refused()
    {
        var worker = new ThreadWorker(() => { }) { Name = "idle" };
        InvalidOperationException refusal = Assert.Throws<InvalidOperationException>(worker.Join);
        Assert.Equal("ThreadWorker(idle, initial) cannot be joined: it was not started. Call Start first.", refusal.Message);
        Assert.Throws<InvalidOperationException>(() => worker.Join(TimeSpan.Zero));
    }

    [Fact]
    public void A_worker_that_joins_itself_is_refused()
    {
        ThreadWorker<string> worker = ThreadWorker.Start(() => Assert.Throws<InvalidOperationException>(ThreadWorker.Current!.Join).Message, name: "self");
        worker.JoinOrFail();
        Assert.Equal($"ThreadWorker(self, started {worker.Id}) cannot be joined from its own work: it would wait for itself for ever.", worker.Result);
    }

    [Fact]
    public void A_join_with_a_limit_says_whether_the_worker_has_ended()
    {
        using var finish = new ManualResetEventSlim();
        ThreadWorker worker = ThreadWorker.Start(finish.WaitOrFail);
        Assert.False(worker.Join(TimeSpan.Zero));
        Assert.False(worker.Join(Patience.Glance));
        Assert.True(worker.IsAlive);
        finish.Set();
        Assert.True(worker.Join(Patience.Step));
        Assert.True(worker.Join(TimeSpan.Zero));
        worker.Join();
    }

    [Theory]
    [InlineData(-2)]
    [InlineData(-1_000_000)]
    [InlineData(int.MaxValue + 1L)]
    public void A_limit_out_of_range_is_refused(long milliseconds)
    {
        ThreadWorker worker = ThreadWorker.Start(() => { });
        Assert.Throws<ArgumentOutOfRangeException>("timeout", () => worker.Join(TimeSpan.FromMilliseconds(milliseconds)));
        worker.JoinOrFail();
    }

    [Fact]
    public void The_longest_limit_is_taken()
    {
        ThreadWorker worker = ThreadWorker.Start(() => { });
        Assert.True(worker.Join(TimeSpan.FromMilliseconds(int.MaxValue)));
    }

    [Fact]
    public void Many_may_join_one_worker()
    {
        using var finish = new ManualResetEventSlim();
        using var waiting = new CountdownEvent(5);
        ThreadWorker worker = ThreadWorker.Start(finish.WaitOrFail);
        ThreadWorker<bool>[] waiters = [.. Enumerable.Range(0, 5).Select(_ => ThreadWorker.Start(() =>
        {
            waiting.Signal();
            return worker.Join(Patience.Step);
        }))];
        Assert.True(waiting.Wait(Patience.Step, TestContext.Current.CancellationToken));
        finish.Set();
        Assert.All(waiters, waiter => Assert.True(waiter.Result));
    }

    [Fact]
    public void A_thread_that_joins_can_be_interrupted()
    {
        using var finish = new ManualResetEventSlim();
        ThreadWorker worker = ThreadWorker.Start(finish.WaitOrFail);
        Thread? waiting = null;
        ThreadWorker<bool> waiter = ThreadWorker.Start(() =>
        {
            Volatile.Write(ref waiting, Thread.CurrentThread);
            Assert.Throws<ThreadInterruptedException>(worker.Join);
            return true;
        });
        Patience.Until(() => Volatile.Read(ref waiting)?.IsBlocked() == true, "the waiter waits");
        waiting!.Interrupt();
        Assert.True(waiter.Result);
        Assert.True(worker.IsAlive);
        finish.Set();
        worker.JoinOrFail();
    }

    [Fact(Timeout = Patience.Test)]
    public async Task Completion_is_the_asynchronous_join()
    {
        using var finish = new ManualResetEventSlim();
        ThreadWorker worker = ThreadWorker.Start(finish.WaitOrFail);
        await Assert.ThrowsAsync<TimeoutException>(() => worker.Completion.WaitAsync(Patience.Glance, TestContext.Current.CancellationToken));
        finish.Set();
        await worker.Completion;
        Assert.False(worker.IsAlive);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task Continuations_of_the_completion_do_not_run_on_the_worker()
    {
        var worker = new ThreadWorker(() => { });
        Task<ThreadWorker?> continuation = worker.Completion.ContinueWith(
            _ => ThreadWorker.Current, TestContext.Current.CancellationToken, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        worker.Start();
        Assert.Null(await continuation);
    }

    [Fact]
    public void A_tight_loop_sees_the_word_to_stop()
    {
        bool stop = false;
        using var running = new ManualResetEventSlim();
        ThreadWorker worker = ThreadWorker.Start(() =>
        {
            running.Set();
            while (!Volatile.Read(ref stop))
            {
            }
        });
        running.WaitOrFail();
        Assert.True(worker.IsAlive);
        Volatile.Write(ref stop, true);
        worker.JoinOrFail();
    }

    [Fact]
    public void A_hundred_workers_write_one_file_and_take_their_stacks()
    {
        string file = Path.Combine(Directory.CreateTempSubdirectory("switchboard-").FullName, "shared.txt");
        ThreadWorker[] workers = [.. Enumerable.Range(0, 100).Select(_ => ThreadWorker.Start(() =>
        {
            using var stream = new FileStream(file, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
            stream.Write(" "u8);
            Assert.Contains(nameof(StartingAndJoiningTests), Environment.StackTrace, StringComparison.Ordinal);
        }))];
        foreach (ThreadWorker worker in workers)
        {
            worker.JoinOrFail();
            Assert.True(worker.Completion.IsCompletedSuccessfully, worker.Completion.Exception?.ToString());
        }
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }
}
