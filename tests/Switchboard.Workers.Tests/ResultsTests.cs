namespace Switchboard.Workers.Tests;

public sealed class ResultsTests
{
    [Fact(Timeout = Patience.Test)]
    public async Task A_result_is_waited_for_or_awaited()
    {
        ThreadWorker<int> worker = ThreadWorker.Start(() => 42);
        Assert.Equal(42, worker.Result);
        Assert.Equal(42, await worker.Completion);
        await ((Worker)worker).Completion;
    }

    [Fact]
    public void Work_is_a_lambda_a_method_or_an_overridden_one()
    {
        Assert.Equal("ThreadWorker", ThreadWorker.Start(MethodWithResult).Result);
        ThreadWorker.Start(MethodWithout).JoinOrFail();
        var run = new Overriding();
        run.Start();
        run.JoinOrFail();
        Assert.Same(run, run.RanOn);
        var compute = new OverridingWithResult();
        compute.Start();
        Assert.Equal(7, compute.Result);
    }

    [Fact]
    public void Null_and_false_are_results()
    {
        Assert.Null(ThreadWorker.Start(() => (string?)null).Result);
        Assert.False(ThreadWorker.Start(() => false).Result);
    }

    [Fact]
    public void Without_work_nothing_runs_and_no_result_comes()
    {
        var nothing = new Idle();
        nothing.Start();
        nothing.JoinOrFail();
        Assert.True(nothing.Completion.IsCompletedSuccessfully);

        var noResult = new IdleWithResult();
        noResult.Start();
        Assert.EndsWith("has no work: override Compute, or give the constructor a function.",
            Assert.Throws<InvalidOperationException>(() => noResult.Result).Message, StringComparison.Ordinal);

        Assert.Throws<ArgumentNullException>("work", () => new ThreadWorker(null!));
        Assert.Throws<ArgumentNullException>("work", () => new ThreadWorker<int>(null!));
    }

    [Fact(Timeout = Patience.Test)]
    public async Task An_exception_is_thrown_as_it_was_to_everyone_who_asks()
    {
        ThreadWorker<int> worker = ThreadWorker.Start<int>(() => throw new InvalidDataException("the work failed"));
        worker.JoinOrFail();
        InvalidDataException first = Assert.Throws<InvalidDataException>(() => worker.Result);
        InvalidDataException second = await Assert.ThrowsAsync<InvalidDataException>(() => worker.Completion);
        Assert.Same(first, second);
        Assert.Contains(nameof(An_exception_is_thrown_as_it_was_to_everyone_who_asks), first.StackTrace, StringComparison.Ordinal);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task A_failure_reaches_who_asked_before_it_came()
    {
        using var fail = new ManualResetEventSlim();
        ThreadWorker<int> worker = ThreadWorker.Start<int>(() =>
        {
            fail.WaitOrFail();
            throw new InvalidDataException("the work failed");
        });
        Task<int> asked = worker.Completion;
        Assert.False(asked.IsCompleted);
        fail.Set();
        await Assert.ThrowsAsync<InvalidDataException>(() => asked);
    }

    [Fact]
    public void A_cancelled_operation_is_an_exception_like_any_other()
    {
        ThreadWorker<int> worker = ThreadWorker.Start<int>(() => throw new OperationCanceledException("called off"));
        Assert.Equal("called off", Assert.Throws<OperationCanceledException>(() => worker.Result).Message);
    }

    [Fact]
    public void A_result_is_refused_to_the_work_itself_and_before_the_start()
    {
        Assert.Throws<InvalidOperationException>(() => new ThreadWorker<int>(() => 1).Result);
        ThreadWorker<int>? worker = null;
        worker = new ThreadWorker<int>(() => worker!.Result);
        worker.Start();
        Assert.Throws<InvalidOperationException>(() => worker.Result);
    }

    [Fact]
    public void Asynchronous_work_is_refused()
    {
        const string Start = "The work is asynchronous: its thread would end at the first await";
        Assert.StartsWith(Start, Assert.Throws<ArgumentException>("work", () => new ThreadWorker(async () => await Task.Yield())).Message, StringComparison.Ordinal);
        Assert.StartsWith(Start, Assert.Throws<ArgumentException>("work", () => ThreadWorker.Start(async () => await Task.Yield())).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>("work", () => ThreadWorker.Start(() => Task.CompletedTask));
        Assert.Throws<ArgumentException>("work", () => ThreadWorker.Start(() => Task.FromResult(1)));
        Assert.Throws<ArgumentException>("work", () => ThreadWorker.Start(() => ValueTask.CompletedTask));
        Assert.Throws<ArgumentException>("work", () => ThreadWorker.Start(() => ValueTask.FromResult(1)));
    }

    private static string MethodWithResult() => ThreadWorker.Current!.GetType().BaseType!.Name;

    private static void MethodWithout() => Assert.NotNull(ThreadWorker.Current);

    private sealed class Overriding : ThreadWorker
    {
        internal ThreadWorker? RanOn { get; private set; }

        protected override void Run() => RanOn = Current;
    }

    private sealed class OverridingWithResult : ThreadWorker<int>
    {
        protected override int Compute() => 7;
    }

    private sealed class Idle : ThreadWorker;

    private sealed class IdleWithResult : ThreadWorker<int>;
}
