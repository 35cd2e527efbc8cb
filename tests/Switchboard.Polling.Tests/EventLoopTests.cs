using System.Collections.Concurrent;
using System.Globalization;
using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

[Collection(nameof(DescriptorNumbers))]
public sealed class EventLoopTests
{
    private const int Limit = 120_000;

    [Theory(Timeout = Limit), EverySelector]
    public async Task Posts_of_many_threads_all_run_and_those_of_one_thread_in_their_order(string selector)
    {
        const int Threads = 8;
        const int Posts = 5000;
        using RunningLoop running = new(selector);
        var seen = new int[Threads];
        int outOfOrder = 0;
        int offThread = 0;
        int left = Threads * Posts;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Thread[] posters = [.. Enumerable.Range(0, Threads).Select(thread => new Thread(() =>
        {
            for (int i = 0; i < Posts; i++)
            {
                int number = i;
                running.Post(() =>
                {
                    outOfOrder += seen[thread]++ == number ? 0 : 1;
                    offThread += running.Loop.IsCurrent && EventLoop.Current == running.Loop ? 0 : 1;
                    if (--left == 0)
                    {
                        done.SetResult();
                    }
                });
            }
        }))];
        Array.ForEach(posters, poster => poster.Start());
        await done.Task.WaitAsync(Waits.Patience, TestContext.Current.CancellationToken);
        Array.ForEach(posters, poster => poster.JoinOrFail());
        Assert.All(seen, count => Assert.Equal(Posts, count));
        Assert.Equal((0, 0), (outOfOrder, offThread));
        Assert.False(running.Loop.IsCurrent);
        Assert.Null(EventLoop.Current);
    }

    [Fact]
    public void One_wake_up_serves_all_that_is_posted()
    {
        const string Counters = "/proc/thread-self/io";
        Assert.SkipUnless(File.Exists(Counters), "The kernel does not count the writes of a thread.");
        using RunningLoop running = new();
        using ManualResetEventSlim go = new();
        // Only a post to a loop that sleeps writes to its descriptor. The one that does holds the loop up until all are posted.
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    var told = new TaskCompletionSource<bool>();
                    long before = Writes();
                    running.Post(() => Assert.True(!told.Task.GetAwaiter().GetResult() || go.Wait(Waits.Patience)));
                    bool woke = Writes() == before + 1;
                    told.SetResult(woke);
                    return woke || running.DoAsync(() => false).GetAwaiter().GetResult();
                },
                Waits.Patience),
            "No post woke the loop.");
        long written = Writes();
        int ran = 0;
        using ManualResetEventSlim all = new();
        for (int i = 0; i < 10_000; i++)
        {
            running.Post(() =>
            {
                if (++ran == 10_000)
                {
                    all.Set();
                }
            });
        }
        Assert.Equal(written, Writes());
        go.Set();
        Assert.True(all.Wait(Waits.Patience, TestContext.Current.CancellationToken), "What was posted did not run.");

        static long Writes() => long.Parse(File.ReadLines(Counters).Single(line => line.StartsWith("syscw", StringComparison.Ordinal)).Split(' ')[1], CultureInfo.InvariantCulture);
    }

    [Fact(Timeout = Limit)]
    public async Task Work_that_posts_itself_again_keeps_neither_timers_nor_descriptors_from_their_turn()
    {
        using RunningLoop running = new();
        using Pair pair = new();
        bool over = false;
        var ready = new TaskCompletionSource<Readiness>(TaskCreationOptions.RunContinuationsAsynchronously);
        var fired = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await running.DoAsync(() =>
        {
            void Again(object? state)
            {
                if (!Volatile.Read(ref over))
                {
                    running.Loop.Post(Again, null);
                }
            }
            Again(null);
            Again(null);
            new LoopTimer(running.Loop, _ => fired.SetResult(), null).Arm(TimeSpan.FromMilliseconds(5));
            return running.Loop.Register(pair.First.Number, Interest.Read, new Handler(readiness => ready.TrySetResult(readiness)));
        });
        pair.Second.WriteOrFail("x"u8);
        await Task.WhenAll(fired.Task, ready.Task).WaitAsync(Waits.Patience, TestContext.Current.CancellationToken);
        Volatile.Write(ref over, true);
    }

    [Fact(Timeout = Limit)]
    public async Task What_throws_is_told_to_the_event_and_the_loop_goes_on()
    {
        using RunningLoop running = new();
        var told = new ConcurrentQueue<(string Message, bool OnLoop)>();
        running.Loop.UnhandledException += exception => told.Enqueue((exception.Message, running.Loop.IsCurrent));
        running.Post(() => throw new InvalidOperationException("posted"));
        await running.DoAsync(() =>
        {
            new LoopTimer(running.Loop, _ => throw new InvalidOperationException("timer"), null).Arm(TimeSpan.Zero);
            return true;
        });
        await running.DoAsync(() => true);
        await running.DoAsync(() => true);
        Assert.Equal([("posted", true), ("timer", true)], told);
    }

    [Fact]
    public void Without_a_listener_what_throws_leaves_run_and_ends_the_loop()
    {
        using RunningLoop running = new();
        running.Post(() => throw new InvalidOperationException("nobody listens"));
        running.WaitForEnd();
        Assert.Equal("nobody listens", Assert.IsType<InvalidOperationException>(running.Failure).Message);
        Assert.False(running.Loop.IsCurrent);
    }

    [Theory(Timeout = Limit), EverySelector]
    public async Task Stop_from_another_thread_ends_a_loop_that_sleeps(string selector)
    {
        using RunningLoop running = new(selector);
        await running.DoAsync(() => true);
        running.Loop.Stop();
        running.Loop.Stop();
        running.WaitForEnd();
        Assert.Null(running.Failure);
    }

    [Fact]
    public void Stop_from_posted_work_a_timer_or_a_descriptor_ends_the_loop()
    {
        using Pair pair = new();
        pair.Second.WriteOrFail("x"u8);
        Action<EventLoop>[] stops =
        [
            loop => loop.Stop(),
            loop => new LoopTimer(loop, _ => loop.Stop(), null).Arm(TimeSpan.FromMilliseconds(1)),
            loop => loop.Register(pair.First.Number, Interest.Read, new Handler(_ => loop.Stop())),
        ];
        foreach (Action<EventLoop> stop in stops)
        {
            using RunningLoop running = new();
            running.Post(() => stop(running.Loop));
            running.WaitForEnd();
            Assert.Null(running.Failure);
        }
    }

    [Fact]
    public void A_loop_that_was_stopped_before_it_runs_runs_what_was_posted_and_ends()
    {
        using EventLoop loop = new(new PollSelector());
        bool ran = false;
        loop.Post(_ => ran = true, null);
        loop.Stop();
        loop.Run();
        Assert.True(ran);
    }

    [Fact(Timeout = Limit)]
    public async Task A_loop_that_runs_is_not_run_by_a_second_thread()
    {
        using RunningLoop running = new();
        await running.DoAsync(() => true);
        Assert.Throws<InvalidOperationException>(running.Loop.Run);
        Assert.Throws<InvalidOperationException>(running.Loop.Dispose);
    }

    [Fact(Timeout = Limit)]
    public async Task A_thread_does_not_run_a_loop_in_a_loop()
    {
        using RunningLoop running = new();
        using EventLoop other = new(new PollSelector());
        await Assert.ThrowsAsync<InvalidOperationException>(() => running.DoAsync(() =>
        {
            other.Run();
            return true;
        }));
        await Assert.ThrowsAsync<InvalidOperationException>(() => running.DoAsync(() =>
        {
            running.Loop.Run();
            return true;
        }));
    }

    [Fact]
    public void A_loop_runs_once()
    {
        using EventLoop loop = new(new PollSelector());
        loop.Stop();
        loop.Run();
        Assert.Throws<InvalidOperationException>(loop.Run);
        Assert.Null(EventLoop.Current);
        Assert.False(loop.IsCurrent);
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_posted_after_the_end_runs_on_the_thread_pool()
    {
        RunningLoop running = new();
        running.Dispose();
        var ran = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        running.Loop.Post(_ => ran.SetResult(Thread.CurrentThread.IsThreadPoolThread), null);
        Assert.True(await ran.Task.WaitAsync(Waits.Patience, TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = Limit)]
    public async Task Nothing_that_is_posted_around_the_end_is_lost()
    {
        for (int round = 0; round < 50; round++)
        {
            const int Posts = 200;
            using RunningLoop running = new();
            int ran = 0;
            var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            for (int i = 0; i < Posts; i++)
            {
                running.Post(() =>
                {
                    if (Interlocked.Increment(ref ran) == Posts)
                    {
                        all.SetResult();
                    }
                });
                if (i == round * 4)
                {
                    running.Loop.Stop();
                }
            }
            await all.Task.WaitAsync(Waits.Patience, TestContext.Current.CancellationToken);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Await_comes_back_to_the_loops_thread()
    {
        using RunningLoop running = new();
        int[] threads = await running.StartAsync(async () =>
        {
            int before = Environment.CurrentManagedThreadId;
            await Task.Run(() => Assert.False(running.Loop.IsCurrent));
            int after = Environment.CurrentManagedThreadId;
            Assert.Same(running.Loop.Context, SynchronizationContext.Current);
            await Task.Yield();
            return new[] { before, after, Environment.CurrentManagedThreadId };
        });
        Assert.All(threads, thread => Assert.Equal(running.ThreadId, thread));
    }

    [Fact(Timeout = Limit)]
    public async Task Send_to_the_context_runs_on_the_loop_before_it_returns_and_throws_what_that_threw()
    {
        using RunningLoop running = new();
        SynchronizationContext context = running.Loop.Context;
        int thread = 0;
        context.Send(_ => thread = Environment.CurrentManagedThreadId, null);
        Assert.Equal(running.ThreadId, thread);
        Assert.Equal("sent", Assert.Throws<FormatException>(() => context.Send(_ => throw new FormatException("sent"), null)).Message);
        Assert.True(await running.DoAsync(() =>
        {
            bool ran = false;
            context.Send(_ => ran = true, null);
            return ran;
        }));
        Assert.Same(context, context.CreateCopy());
    }

    [Theory(Timeout = Limit), EverySelector]
    public async Task A_number_used_anew_within_a_batch_gets_no_event_of_the_old_owner(string selector)
    {
        using RunningLoop running = new(selector);
        using Pair old = new();
        using Pair other = new();
        using Pair quiet = new();
        EventLoop loop = running.Loop;
        DescriptorHandle[] used = [DescriptorCalls.Duplicate(old.First.Number, 850), DescriptorCalls.Duplicate(other.First.Number, 870)];
        var keys = new SelectorKey[2];
        int events = 0;
        int wrong = 0;
        bool sameNumber = false;
        await running.DoAsync(() =>
        {
            // Whichever of the two comes first replaces the other one, whose event waits in the same batch.
            for (int i = 0; i < 2; i++)
            {
                int mine = i;
                keys[i] = loop.Register(used[i].Number, Interest.Read, new Handler(_ =>
                {
                    events++;
                    int victim = 1 - mine;
                    int number = used[victim].Number;
                    loop.Unregister(keys[0]);
                    loop.Unregister(keys[1]);
                    used[victim].Dispose();
                    used[victim] = DescriptorCalls.Duplicate(quiet.First.Number, number);
                    sameNumber = used[victim].Number == number;
                    loop.Register(number, Interest.Read, new Handler(_ => wrong++));
                }));
            }
            old.Second.WriteOrFail("x"u8);
            other.Second.WriteOrFail("x"u8);
            return true;
        });
        await running.DoAsync(() => true);
        await running.DoAsync(() => true);
        Assert.True(sameNumber, "The number was not used anew.");
        Assert.Equal((1, 0), (events, wrong));
        running.Loop.Stop();
        running.WaitForEnd();
        Array.ForEach(used, handle => handle.Dispose());
    }

    private sealed class Handler(Action<Readiness> onReady) : IReadyHandler
    {
        public void OnReady(Readiness ready) => onReady(ready);
    }
}
