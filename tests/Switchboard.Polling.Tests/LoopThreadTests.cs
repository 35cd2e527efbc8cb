namespace Switchboard.Polling.Tests;

/// <summary>Loops with a thread of their own, and loops that run an asynchronous Main.</summary>
[Collection(nameof(DescriptorNumbers))]
public sealed class LoopThreadTests
{
    private const int Limit = 120_000;

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_loop_starts_on_a_thread_of_its_own_and_ends_with_dispose(bool background)
    {
        EventLoop loop = EventLoop.Start("named loop", background);
        Thread thread = await loop.InvokeAsync(() => Thread.CurrentThread);
        Assert.Equal(("named loop", background), (thread.Name, thread.IsBackground));
        Assert.NotSame(Thread.CurrentThread, thread);
        Assert.False(loop.IsCurrent);
        Assert.False(loop.Completion.IsCompleted);
        loop.Dispose();
        Assert.False(thread.IsAlive);
        Assert.True(loop.Completion.IsCompletedSuccessfully);
        loop.Dispose();
        await loop.DisposeAsync();
    }

    [Fact(Timeout = Limit)]
    public async Task An_asynchronous_dispose_stops_the_loop_and_closes_its_descriptors()
    {
        int before = Descriptors.CountBefore();
        EventLoop loop = EventLoop.Start();
        Assert.True(Descriptors.Count() > before);
        await loop.DisposeAsync();
        Assert.True(loop.Completion.IsCompletedSuccessfully);
        Descriptors.WaitFor(before);
    }

    [Fact(Timeout = Limit)]
    public async Task A_loop_may_be_disposed_on_its_own_thread()
    {
        int before = Descriptors.CountBefore();
        EventLoop loop = EventLoop.Start();
        Thread thread = await loop.InvokeAsync(() =>
        {
            loop.Dispose();
            return Thread.CurrentThread;
        });
        await loop.Completion.Within();
        thread.JoinOrFail();
        Descriptors.WaitFor(before);

        EventLoop other = EventLoop.Start();
        await other.InvokeAsync(async () => await other.DisposeAsync()).Within();
        Descriptors.WaitFor(before);
    }

    [Fact(Timeout = Limit)]
    public async Task What_ends_a_loop_is_its_completions_exception()
    {
        await using EventLoop loop = EventLoop.Start();
        loop.Post(_ => throw new FormatException("nobody listens"), null);
        Assert.Equal("nobody listens", (await Assert.ThrowsAsync<FormatException>(() => loop.Completion.Within())).Message);
        // Who calls the loop that has failed gets an answer.
        Assert.Equal(3, await loop.InvokeAsync(() => 3).Within());
    }

    [Fact(Timeout = Limit)]
    public async Task Completion_of_a_loop_that_the_caller_runs_is_the_end_of_run()
    {
        using RunningLoop running = new();
        Assert.False(running.Loop.Completion.IsCompleted);
        running.Loop.Stop();
        await running.Loop.Completion.Within();
    }

    [Theory, EverySelector]
    public void Run_runs_an_async_main_on_the_calling_thread_and_returns_its_result(string selector)
    {
        int thread = Environment.CurrentManagedThreadId;
        SynchronizationContext? before = SynchronizationContext.Current;
        int result = EventLoop.Run(async loop =>
        {
            Assert.Same(loop, EventLoop.Current);
            await Task.Delay(1);
            Assert.Equal(thread, Environment.CurrentManagedThreadId);
            await Task.Run(() => Assert.False(loop.IsCurrent));
            Assert.Equal(thread, Environment.CurrentManagedThreadId);
            return 42;
        }, EverySelectorAttribute.Make(selector));
        Assert.Equal(42, result);
        Assert.Null(EventLoop.Current);
        Assert.Same(before, SynchronizationContext.Current);
    }

    [Fact]
    public void What_the_async_main_throws_comes_out_as_it_is()
    {
        int before = Descriptors.CountBefore();
        Assert.Equal("at once", Assert.Throws<FormatException>(() => EventLoop.Run(Task (_) => throw new FormatException("at once"))).Message);
        Assert.Equal("later", Assert.Throws<FormatException>(() => EventLoop.Run(async _ =>
        {
            await Task.Yield();
            throw new FormatException("later");
        })).Message);
        Assert.Equal("posted", Assert.Throws<FormatException>(() => EventLoop.Run(async loop =>
        {
            loop.Post(_ => throw new FormatException("posted"), null);
            await Task.Delay(Timeout.Infinite);
        })).Message);
        using CancellationTokenSource source = new();
        source.Cancel();
        Assert.Equal(source.Token, Assert.Throws<TaskCanceledException>(() => EventLoop.Run(_ => Task.FromCanceled(source.Token))).CancellationToken);
        Descriptors.WaitFor(before);
    }

    [Fact]
    public void A_loop_that_is_stopped_before_its_main_has_ended_says_so() =>
        Assert.Contains("stopped before", Assert.Throws<InvalidOperationException>(() => EventLoop.Run(async loop =>
        {
            loop.Stop();
            await Task.Delay(Timeout.Infinite);
        })).Message, StringComparison.Ordinal);

    [Fact]
    public void An_async_main_inside_a_loop_is_refused_and_never_begins()
    {
        bool began = false;
        EventLoop.Run(_ =>
        {
            Assert.Throws<InvalidOperationException>(() => EventLoop.Run(_ =>
            {
                began = true;
                return Task.CompletedTask;
            }));
            return Task.CompletedTask;
        });
        Assert.False(began);
    }

    [Fact]
    public void What_the_async_main_left_waiting_is_cancelled()
    {
        using Pair pair = new();
        Task<Readiness>? left = null;
        EventLoop.Run(_ =>
        {
            left = DescriptorReadiness.WaitAsync(pair.First, Interest.Read).AsTask();
            return Task.CompletedTask;
        });
        Assert.ThrowsAny<OperationCanceledException>(() => left!.GetAwaiter().GetResult());
    }
}
