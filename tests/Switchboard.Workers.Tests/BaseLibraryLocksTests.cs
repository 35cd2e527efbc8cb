namespace Switchboard.Workers.Tests;

// What docs/from-python.md says of the types that stand for Python's RLock (Lock) and Lock (SemaphoreSlim).
public sealed class BaseLibraryLocksTests
{
    [Fact]
    public void A_lock_may_be_taken_again_by_its_holder()
    {
        var gate = new Lock();
        gate.Enter();
        gate.Enter();
        gate.Exit();
        Assert.True(gate.IsHeldByCurrentThread);
        gate.Enter();
        gate.Exit();
        Assert.False(ThreadWorker.Start(() => gate.IsHeldByCurrentThread || gate.TryEnter()).Result);
        gate.Exit();
        Assert.False(gate.IsHeldByCurrentThread);
        Assert.True(ThreadWorker.Start(gate.TryEnter).Result);
    }

    [Fact]
    public void Waiters_for_a_lock_come_in_when_it_is_left()
    {
        var gate = new Lock();
        int passed = 0;
        Crew crew;
        lock (gate)
        {
            crew = new Crew(5, () =>
            {
                lock (gate)
                {
                    passed++;
                }
            });
            crew.UntilBlocked(5);
            Assert.Equal(0, crew.Ended);
        }
        crew.End();
        Assert.Equal(5, passed);
    }

    [Fact]
    public void A_lock_is_left_although_the_block_throws()
    {
        var gate = new Lock();
        void Fail()
        {
            lock (gate)
            {
                throw new InvalidDataException();
            }
        }
        Assert.Throws<InvalidDataException>(Fail);
        Assert.False(gate.IsHeldByCurrentThread);
    }

    [Fact]
    public void A_wait_for_a_lock_may_have_a_limit()
    {
        var gate = new Lock();
        Assert.True(gate.TryEnter(TimeSpan.FromMilliseconds(int.MaxValue)));
        Assert.False(ThreadWorker.Start(() => gate.TryEnter(Patience.Glance)).Result);
        gate.Exit();
        Assert.True(ThreadWorker.Start(() => gate.TryEnter(Patience.Glance)).Result);
        Assert.Throws<ArgumentOutOfRangeException>(() => gate.TryEnter(-100));
        Assert.Throws<ArgumentOutOfRangeException>(() => gate.TryEnter(TimeSpan.MaxValue));
    }

    [Fact]
    public void Only_the_holder_leaves_a_lock()
    {
        var gate = new Lock();
        Assert.Throws<SynchronizationLockException>(gate.Exit);
        gate.Enter();
        Crew.Run(1, () => Assert.Throws<SynchronizationLockException>(gate.Exit));
        gate.Exit();
        Assert.Throws<SynchronizationLockException>(gate.Exit);
    }

    [Fact]
    public void A_semaphore_of_one_is_a_lock_without_a_holder()
    {
        using var gate = new SemaphoreSlim(1, 1);
        gate.Wait(TestContext.Current.CancellationToken);
        Assert.False(gate.Wait(0, TestContext.Current.CancellationToken));
        Assert.False(gate.Wait(Patience.Glance, TestContext.Current.CancellationToken));
        ThreadWorker.Start(() => gate.Release()).JoinOrFail();
        Assert.True(gate.Wait(0, TestContext.Current.CancellationToken));
        gate.Release();
        Assert.Throws<SemaphoreFullException>(() => gate.Release());
    }
}
