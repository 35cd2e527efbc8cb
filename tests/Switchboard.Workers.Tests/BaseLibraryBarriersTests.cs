namespace Switchboard.Workers.Tests;

// What docs/from-python.md says of Barrier.
public sealed class BaseLibraryBarriersTests
{
    private const int Count = 5;

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    public void All_pass_in_step(int passes)
    {
        using var barrier = new Barrier(Count);
        int before = 0;
        int after = 0;
        Crew.Run(Count, () =>
        {
            for (int i = 0; i < passes; i++)
            {
                Interlocked.Increment(ref before);
                Assert.Equal(i * Count, Volatile.Read(ref after));
                Assert.True(barrier.SignalAndWait(Patience.Step));
                Interlocked.Increment(ref after);
                Assert.Equal((i + 1) * Count, Volatile.Read(ref before));
                Assert.True(barrier.SignalAndWait(Patience.Step));
            }
        });
        Assert.Equal(Count, barrier.ParticipantsRemaining);
        Assert.Equal(2 * passes, barrier.CurrentPhaseNumber);
    }

    [Fact]
    public void The_action_runs_once_before_anybody_passes()
    {
        int runs = 0;
        using var barrier = new Barrier(Count, _ => runs++);
        Crew.Run(Count, () =>
        {
            Assert.True(barrier.SignalAndWait(Patience.Step));
            Assert.Equal(1, runs);
        });
    }

    [Fact]
    public void An_action_that_throws_is_thrown_to_all_and_the_barrier_stays_whole()
    {
        using var barrier = new Barrier(Count, b => throw new InvalidDataException());
        CancellationToken end = TestContext.Current.CancellationToken;
        Crew.Run(Count, () => Assert.IsType<InvalidDataException>(
            Assert.Throws<BarrierPostPhaseException>(() => barrier.SignalAndWait(Patience.Step, end)).InnerException));
        Assert.Equal(1, barrier.CurrentPhaseNumber);
    }

    [Fact]
    public void A_cancellation_frees_the_waiters_and_the_barrier_serves_again()
    {
        using var barrier = new Barrier(Count);
        using var abort = new CancellationTokenSource();
        var crew = new Crew(Count - 1, () => Assert.ThrowsAny<OperationCanceledException>(() => barrier.SignalAndWait(abort.Token)));
        Patience.Until(() => barrier.ParticipantsRemaining == 1, "all but one wait");
        abort.Cancel();
        crew.End();
        Assert.Equal(Count, barrier.ParticipantsRemaining);
        Crew.Run(Count, () => Assert.True(barrier.SignalAndWait(Patience.Step)));
    }

    [Fact]
    public void A_wait_that_is_over_is_taken_back_and_breaks_nothing()
    {
        using var barrier = new Barrier(2);
        Assert.False(barrier.SignalAndWait(Patience.Glance, TestContext.Current.CancellationToken));
        Assert.Equal(2, barrier.ParticipantsRemaining);
        Crew.Run(2, () => Assert.True(barrier.SignalAndWait(Patience.Step)));
    }

    [Fact]
    public void A_barrier_of_one_is_passed_at_once()
    {
        using var barrier = new Barrier(1);
        Assert.True(barrier.SignalAndWait(0, TestContext.Current.CancellationToken));
        Assert.True(barrier.SignalAndWait(0, TestContext.Current.CancellationToken));
    }
}
