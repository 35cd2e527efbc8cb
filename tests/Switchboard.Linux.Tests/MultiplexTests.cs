using System.Diagnostics;
using CsCheck;

namespace Switchboard.Linux.Tests;

public sealed class MultiplexTests
{
    // Ticks of 100 ns: most are no whole millisecond, and many no whole microsecond.
    private static readonly Gen<TimeSpan> _timeouts = Gen.Long[1, 30_000].Select(TimeSpan.FromTicks);

    [Fact]
    public void Timeouts_are_rounded_up()
    {
        using DescriptorHandle epoll = MultiplexCalls.CreateEpoll();
        EpollEventBuffer buffer = new(1);
        _timeouts.Sample(timeout =>
        {
            DescriptorSet none = default;
            return Waits(timeout, () => MultiplexCalls.Poll([], timeout))
                && Waits(timeout, () => MultiplexCalls.EpollWait(epoll.Number, buffer, timeout))
                && Waits(timeout, () => MultiplexCalls.Select(ref none, ref none, ref none, -1, timeout));
        }, iter: 100, threads: 1);
    }

    [Fact]
    public void A_receive_timeout_is_rounded_up_and_never_means_for_ever()
    {
        (DescriptorHandle first, DescriptorHandle second) = SocketCalls.CreatePair();
        using (first)
        using (second)
        {
            foreach (TimeSpan timeout in (TimeSpan[])[TimeSpan.Zero, TimeSpan.FromTicks(1), TimeSpan.FromTicks(11), TimeSpan.FromMilliseconds(20)])
            {
                Assert.True(SocketCalls.SetReceiveTimeout(first.Number, timeout).Succeeded);
                long started = Stopwatch.GetTimestamp();
                Assert.True(SocketCalls.Receive(first.Number, new byte[1]).WouldBlock);
                Assert.True(Stopwatch.GetElapsedTime(started) >= timeout);
            }
            Assert.True(SocketCalls.SetReceiveTimeout(first.Number, null).Succeeded);
            Assert.True(SocketCalls.SetSendTimeout(first.Number, TimeSpan.FromTicks(1)).Succeeded);
            CallResult sent;
            while ((sent = SocketCalls.Send(first.Number, new byte[65_536])).Succeeded)
            {
            }
            Assert.True(sent.WouldBlock);
        }
    }

    [Fact]
    public void The_longest_time_overflows_nowhere()
    {
        (DescriptorHandle reader, DescriptorHandle writer) = DescriptorCalls.CreatePipe();
        using (reader)
        using (writer)
        {
            using DescriptorHandle epoll = MultiplexCalls.CreateEpoll();
            Assert.True(MultiplexCalls.EpollAdd(epoll.Number, writer.Number, EpollEvents.Writable, ulong.MaxValue).Succeeded);
            EpollEventBuffer buffer = new(4);
            foreach (TimeSpan? timeout in (TimeSpan?[])[TimeSpan.MaxValue, TimeSpan.FromMilliseconds(int.MaxValue), TimeSpan.FromMilliseconds(uint.MaxValue), TimeSpan.MinValue, null])
            {
                PollDescriptor[] entry = [new(writer.Number, PollEvents.Writable)];
                Assert.Equal(1, MultiplexCalls.Poll(entry, timeout));
                Assert.Equal(PollEvents.Writable, entry[0].Ready);
                Assert.Equal(1, MultiplexCalls.EpollWait(epoll.Number, buffer, timeout));
                Assert.Equal((EpollEvents.Writable, ulong.MaxValue), buffer[0]);
                DescriptorSet write = default;
                DescriptorSet none = default;
                write.Add(writer.Number);
                Assert.Equal(1, MultiplexCalls.Select(ref none, ref write, ref none, writer.Number, timeout));
                Assert.True(write.Contains(writer.Number));
            }
        }
    }

    [Fact]
    public void A_set_holds_the_numbers_0_to_1023()
    {
        DescriptorSet set = default;
        int[] numbers = [0, 1, 63, 64, 65, 511, 1023];
        Array.ForEach(numbers, number => set.Add(number));
        Assert.Equal(numbers, Enumerable.Range(-5, 1100).Where(number => set.Contains(number)));
        set.Remove(64);
        set.Remove(64);
        set.Remove(-1);
        set.Remove(5000);
        Assert.Equal(numbers.Except([64]), Enumerable.Range(-5, 1100).Where(number => set.Contains(number)));
        foreach (int number in (int[])[-1, 1024, int.MaxValue, int.MinValue])
        {
            Assert.Contains("Use poll or epoll", Assert.Throws<ArgumentOutOfRangeException>(() => set.Add(number)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Epoll_answers_no_more_than_the_limit()
    {
        using DescriptorHandle epoll = MultiplexCalls.CreateEpoll();
        List<DescriptorHandle> counters = [.. Enumerable.Range(0, 5).Select(_ => DescriptorCalls.CreateEvent())];
        counters.ForEach(counter => Assert.True(MultiplexCalls.EpollAdd(epoll.Number, counter.Number, EpollEvents.Writable, (ulong)counter.Number).Succeeded));
        EpollEventBuffer buffer = new(4);
        Assert.Equal(4, MultiplexCalls.EpollWait(epoll.Number, buffer, null));
        Assert.Equal(3, MultiplexCalls.EpollWait(epoll.Number, buffer, null, 3));
        Assert.Equal(4, MultiplexCalls.EpollWait(epoll.Number, buffer, null, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => new EpollEventBuffer(0));
        counters.ForEach(counter => counter.Dispose());
    }

    private static bool Waits(TimeSpan timeout, Func<int> wait)
    {
        long started = Stopwatch.GetTimestamp();
        return wait() == 0 && Stopwatch.GetElapsedTime(started) >= timeout;
    }
}
