namespace Switchboard.Workers.Tests;

// What docs/from-python.md says of SemaphoreSlim, which stands for Python's Semaphore and BoundedSemaphore.
public sealed class BaseLibrarySemaphoresTests
{
    [Fact]
    public void A_count_below_zero_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new SemaphoreSlim(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SemaphoreSlim(int.MinValue));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SemaphoreSlim(2, 1));
    }

    [Fact]
    public void As_many_come_in_as_the_count_says()
    {
        using var semaphore = new SemaphoreSlim(2);
        Assert.True(semaphore.Wait(0, TestContext.Current.CancellationToken));
        Assert.True(semaphore.Wait(0, TestContext.Current.CancellationToken));
        Assert.False(semaphore.Wait(0, TestContext.Current.CancellationToken));
        Assert.False(semaphore.Wait(Patience.Glance, TestContext.Current.CancellationToken));
        semaphore.Release();
        Assert.True(semaphore.Wait(Patience.Glance, TestContext.Current.CancellationToken));
        Assert.Equal(0, semaphore.CurrentCount);
    }

    [Fact]
    public void Of_ten_tries_three_succeed_on_a_count_of_three()
    {
        using var semaphore = new SemaphoreSlim(4);
        semaphore.Wait(TestContext.Current.CancellationToken);
        int succeeded = 0;
        Crew.Run(5, () =>
        {
            for (int i = 0; i < 2; i++)
            {
                if (semaphore.Wait(0))
                {
                    Interlocked.Increment(ref succeeded);
                }
            }
        });
        Assert.Equal(3, succeeded);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Releases_let_as_many_waiters_in(bool allAtOnce)
    {
        using var semaphore = new SemaphoreSlim(7);
        using var entered = new SemaphoreSlim(0);
        semaphore.Wait(TestContext.Current.CancellationToken);
        var crew = new Crew(10, () =>
        {
            for (int i = 0; i < 2; i++)
            {
                Assert.True(semaphore.Wait(Patience.Step));
                entered.Release();
            }
        });
        void Expect(int count)
        {
            for (int i = 0; i < count; i++)
            {
                Assert.True(entered.Wait(Patience.Step, TestContext.Current.CancellationToken));
            }
            Assert.False(entered.Wait(Patience.Glance, TestContext.Current.CancellationToken));
        }
        void Release(int count)
        {
            if (allAtOnce)
            {
                semaphore.Release(count);
                return;
            }
            for (int i = 0; i < count; i++)
            {
                semaphore.Release();
            }
        }
        Expect(6);
        Release(7);
        Expect(7);
        Release(6);
        Expect(6);
        Assert.Equal(0, semaphore.CurrentCount);
        Release(1);
        crew.End();
    }

    [Fact]
    public void An_unbounded_semaphore_grows_by_a_release()
    {
        using var semaphore = new SemaphoreSlim(1);
        semaphore.Release();
        Assert.Equal(2, semaphore.CurrentCount);
    }

    [Fact]
    public void A_bounded_semaphore_refuses_a_release_too_many()
    {
        for (int limit = 1; limit < 10; limit++)
        {
            using var semaphore = new SemaphoreSlim(limit, limit);
            Crew.Run(limit, semaphore.Wait);
            Assert.Equal(0, semaphore.CurrentCount);
            Crew.Run(limit, () => semaphore.Release());
            Assert.Throws<SemaphoreFullException>(() => semaphore.Release());
            Assert.Equal(limit, semaphore.CurrentCount);
        }
    }
}
