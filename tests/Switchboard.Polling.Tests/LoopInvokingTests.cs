namespace Switchboard.Polling.Tests;

/// <summary>Work that other threads give a loop and wait for.</summary>
public sealed class LoopInvokingTests
{
    private const int Limit = 120_000;

    private static readonly AsyncLocal<string?> _local = new();

    [Fact(Timeout = Limit)]
    public async Task What_is_invoked_runs_on_the_loop_and_its_result_comes_back()
    {
        await using EventLoop loop = EventLoop.Start();
        Assert.True(await loop.InvokeAsync(() => loop.IsCurrent));
        bool ran = false;
        await loop.InvokeAsync(() => { ran = loop.IsCurrent; });
        Assert.True(ran);
        Assert.Equal((true, true), await loop.InvokeAsync(async () =>
        {
            bool before = loop.IsCurrent;
            await Task.Delay(1);
            return (before, loop.IsCurrent);
        }));
        bool ended = false;
        await loop.InvokeAsync(async () =>
        {
            await Task.Yield();
            ended = loop.IsCurrent;
        });
        Assert.True(ended);
        Assert.False(loop.IsCurrent);
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_invoked_runs_in_the_order_of_the_calls()
    {
        await using EventLoop loop = EventLoop.Start();
        var seen = new List<int>();
        await Task.WhenAll(Enumerable.Range(0, 1000).Select(i => i % 3 == 0 ? Posted(i) : loop.InvokeAsync(() => seen.Add(i))));
        await loop.InvokeAsync(() => 0);
        Assert.Equal(Enumerable.Range(0, 1000), seen);

        Task Posted(int i)
        {
            loop.Post(_ => seen.Add(i), null);
            return Task.CompletedTask;
        }
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_invoked_on_the_loop_itself_waits_for_its_turn()
    {
        await using EventLoop loop = EventLoop.Start();
        Assert.Equal("ab", await loop.InvokeAsync(async () =>
        {
            string order = "";
            Task later = loop.InvokeAsync(() => { order += "b"; });
            order += "a";
            await later;
            Assert.True(loop.IsCurrent);
            return order;
        }));
    }

    [Fact(Timeout = Limit)]
    public async Task Exceptions_and_cancellations_travel_and_the_loop_goes_on()
    {
        await using EventLoop loop = EventLoop.Start();
        using CancellationTokenSource source = new();
        await source.CancelAsync();
        await Assert.ThrowsAsync<FormatException>(() => loop.InvokeAsync(Action () => throw new FormatException()));
        await Assert.ThrowsAsync<FormatException>(() => loop.InvokeAsync(new Action(() => throw new FormatException())));
        await Assert.ThrowsAsync<FormatException>(() => loop.InvokeAsync(new Func<int>(() => throw new FormatException())));
        await Assert.ThrowsAsync<FormatException>(() => loop.InvokeAsync(new Func<Task<int>>(() => throw new FormatException())));
        await Assert.ThrowsAsync<FormatException>(() => loop.InvokeAsync(async () =>
        {
            await Task.Yield();
            throw new FormatException();
        }));
        Task cancelled = loop.InvokeAsync(async () => await Task.Delay(Timeout.Infinite, source.Token));
        Assert.Equal(source.Token, (await Assert.ThrowsAsync<TaskCanceledException>(() => cancelled)).CancellationToken);
        Assert.True(cancelled.IsCanceled);
        Assert.Equal(1, await loop.InvokeAsync(() => 1));
    }

    [Fact(Timeout = Limit)]
    public async Task The_callers_async_locals_are_seen_and_those_of_the_loop_are_not_changed()
    {
        await using EventLoop loop = EventLoop.Start();
        _local.Value = "caller";
        string? seen = await loop.InvokeAsync(() =>
        {
            string? before = _local.Value;
            _local.Value = "loop";
            return before;
        });
        Assert.Equal("caller", seen);
        Assert.Equal("caller", _local.Value);
        var own = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Post(_ => own.SetResult(_local.Value), null);
        Assert.Null(await own.Task);
    }

    [Fact(Timeout = Limit)]
    public async Task The_callers_code_does_not_go_on_inside_the_loop()
    {
        await using EventLoop loop = EventLoop.Start();
        for (int i = 0; i < 100; i++)
        {
            Assert.False(await loop.InvokeAsync(() => Task.Delay(1)).ContinueWith(
                _ => loop.IsCurrent, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default));
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Tasks_of_the_scheduler_run_on_the_loop_one_at_a_time_in_their_order()
    {
        await using EventLoop loop = EventLoop.Start();
        Assert.Same(loop.Scheduler, loop.Scheduler);
        Assert.Equal(1, loop.Scheduler.MaximumConcurrencyLevel);
        var factory = new TaskFactory(loop.Scheduler);
        var seen = new List<(int, bool)>();
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => factory.StartNew(() =>
        {
            Assert.Same(loop.Scheduler, TaskScheduler.Current);
            seen.Add((i, loop.IsCurrent));
        })));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => (i, true)), seen);
        // What waits on the loop for a task of the loop runs it.
        Assert.True(await loop.InvokeAsync(() => factory.StartNew(() => loop.IsCurrent).GetAwaiter().GetResult()));
        await Assert.ThrowsAsync<FormatException>(() => factory.StartNew(static () => throw new FormatException(), TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_invoked_around_the_end_is_answered()
    {
        for (int round = 0; round < 20; round++)
        {
            EventLoop loop = EventLoop.Start();
            Task<int>[] calls = [.. Enumerable.Range(0, 100).Select(i =>
            {
                if (i == round * 5)
                {
                    loop.Stop();
                }
                return loop.InvokeAsync(async () =>
                {
                    await Task.Yield();
                    return i;
                });
            })];
            Assert.Equal(Enumerable.Range(0, 100), await Task.WhenAll(calls).Within());
            await loop.DisposeAsync();
        }
    }
}
