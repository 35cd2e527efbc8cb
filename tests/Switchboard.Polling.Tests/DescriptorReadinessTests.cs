namespace Switchboard.Polling.Tests;

public sealed class DescriptorReadinessTests
{
    private const int Limit = 120_000;

    [Theory(Timeout = Limit), EverySelector]
    public async Task On_a_loop_a_wait_suspends_and_comes_back_to_the_loop(string selector)
    {
        using RunningLoop running = new(selector);
        using Pair pair = new();
        Task<(Readiness Ready, bool OnLoop)> wait = running.StartAsync(async () =>
        {
            Readiness ready = await DescriptorReadiness.WaitAsync(pair.First, Interest.Read);
            return (ready, running.Loop.IsCurrent);
        });
        // The loop is free meanwhile, and the descriptor may be watched twice.
        await running.DoAsync(() => true);
        Task<Readiness> second = running.StartAsync(() => DescriptorReadiness.WaitAsync(pair.First, Interest.Read).AsTask());
        await running.DoAsync(() => true);
        Assert.False(wait.IsCompleted || second.IsCompleted);
        pair.Second.WriteOrFail("x"u8);
        Assert.Equal((Readiness.Readable, true), await wait);
        Assert.Equal(Readiness.Readable, await second);
    }

    [Fact(Timeout = Limit)]
    public async Task On_a_loop_a_wait_ends_by_its_token_and_names_it()
    {
        using RunningLoop running = new();
        using Pair pair = new();
        using CancellationTokenSource source = new();
        Task<Readiness> wait = running.StartAsync(() => DescriptorReadiness.WaitAsync(pair.First, Interest.Read, source.Token).AsTask());
        await running.DoAsync(() => true);
        await source.CancelAsync();
        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
        Assert.Equal(source.Token, exception.CancellationToken);
        pair.Second.WriteOrFail("x"u8);
        Assert.True(await running.DoAsync(() => true));
    }

    [Fact(Timeout = Limit)]
    public async Task Elsewhere_a_wait_blocks_until_it_is_ready_or_cancelled()
    {
        using Pair pair = new();
        Assert.Equal(Readiness.Writable, await DescriptorReadiness.WaitAsync(pair.First, Interest.Write, TestContext.Current.CancellationToken));
        using CancellationTokenSource source = new(TimeSpan.FromMilliseconds(10));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await DescriptorReadiness.WaitAsync(pair.First, Interest.Read, source.Token));
    }

    [Fact(Timeout = Limit)]
    public async Task A_closed_descriptor_is_refused()
    {
        using RunningLoop running = new();
        using Pair pair = new();
        pair.First.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => running.StartAsync(() => DescriptorReadiness.WaitAsync(pair.First, Interest.Read).AsTask()));
    }
}
