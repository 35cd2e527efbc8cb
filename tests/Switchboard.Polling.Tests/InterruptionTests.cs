using System.Diagnostics;
using System.Runtime.InteropServices;
using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

/// <summary>A signal handler that runs on the waiting thread makes the kernel end the wait (EINTR). The runtime handles
/// SIGWINCH; what it does then is of no account here.</summary>
public sealed class InterruptionTests
{
    private const int WindowChanged = 28;

    [Fact]
    public void The_signal_does_interrupt_the_system_call()
    {
        (int returned, int errno) = (0, 0);
        int signals = WhileInterrupted(() =>
        {
            returned = poll(0, 0, 30_000);
            errno = Marshal.GetLastPInvokeError();
        });
        Assert.Equal((-1, Errno.Interrupted), (returned, (Errno)errno));
        Assert.True(signals > 0);
    }

    [Theory, EverySelector]
    public void A_wait_goes_on_with_the_time_that_is_left(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        selector.Register(pair.First, Interest.Read);
        AssertWaits(() => selector.Select(_time).Count);
    }

    [Fact]
    public void Raw_waits_go_on_with_the_time_that_is_left()
    {
        using Pair pair = new();
        Poll poll = new();
        poll.Register(pair.First.Number, PollEvents.Readable);
        using Epoll epoll = Epoll.Create();
        epoll.Register(pair.First.Number, EpollEvents.Readable);
        AssertWaits(() => RawSelect.Select([pair.First], [], [], _time).Readable.Count);
        AssertWaits(() => poll.Wait(_time).Count);
        AssertWaits(() => epoll.Wait(_time).Count);
    }

    [Theory, EverySelector]
    public void An_interrupted_wait_still_sees_what_becomes_ready(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Pair pair = new();
        SelectorKey key = selector.Register(pair.First, Interest.Read);
        IReadOnlyList<ReadyEvent> ready = [];
        int signals = WhileInterrupted(() => ready = selector.Select(), after: 20, then: () => pair.Second.WriteOrFail("x"u8));
        Assert.True(signals >= 20);
        Assert.Equal([new ReadyEvent(key, Readiness.Readable)], ready);
    }

    private static readonly TimeSpan _time = TimeSpan.FromMilliseconds(200);

    private static void AssertWaits(Func<int> wait)
    {
        int ready = -1;
        TimeSpan took = default;
        int signals = WhileInterrupted(() =>
        {
            long started = Stopwatch.GetTimestamp();
            ready = wait();
            took = Stopwatch.GetElapsedTime(started);
        });
        Assert.Equal(0, ready);
        Assert.True(signals > 3, $"Only {signals} signals were sent.");
        Assert.InRange(took, _time, Waits.Patience);
    }

    /// <summary>Runs a wait on a thread of its own and sends it one signal after another until it has ended.</summary>
    private static int WhileInterrupted(Action wait, int after = 0, Action? then = null)
    {
        using SemaphoreSlim handled = new(0);
        using PosixSignalRegistration registration = PosixSignalRegistration.Create((PosixSignal)WindowChanged, _ => handled.Release());
        int id = 0;
        using ManualResetEventSlim started = new();
        Thread waiter = new(() =>
        {
            id = ThreadCalls.CurrentThreadId();
            started.Set();
            wait();
        });
        waiter.Start();
        Assert.True(started.Wait(Waits.Patience, TestContext.Current.CancellationToken));
        int signals = 0;
        long begun = Stopwatch.GetTimestamp();
        while (waiter.IsAlive && tgkill(Environment.ProcessId, id, WindowChanged) == 0)
        {
            Assert.True(handled.Wait(Waits.Patience, TestContext.Current.CancellationToken), "The signal was not handled.");
            Assert.True(Stopwatch.GetElapsedTime(begun) < Waits.Patience, "The wait did not end.");
            if (++signals == after)
            {
                then?.Invoke();
            }
        }
        waiter.JoinOrFail();
        return signals;
    }

#pragma warning disable SYSLIB1054 // Source-generated imports need unsafe code, which the tests do without.
    [DllImport("libc.so.6")]
    private static extern int tgkill(int process, int thread, int signal);

    [DllImport("libc.so.6", SetLastError = true)]
    private static extern int poll(nint descriptors, nuint count, int milliseconds);
#pragma warning restore SYSLIB1054
}
