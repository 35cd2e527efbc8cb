using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

public sealed class PollTests
{
    [Fact]
    public void Messages_go_through_twelve_pipes()
    {
        Poll poll = new();
        Dictionary<int, (DescriptorHandle Reader, DescriptorHandle Writer)> pipes = [];
        Dictionary<int, int> writerOf = [];
        for (int i = 0; i < 12; i++)
        {
            (DescriptorHandle reader, DescriptorHandle writer) = DescriptorCalls.CreatePipe();
            poll.Register(reader.Number);
            poll.Modify(reader.Number, PollEvents.Readable);
            poll.Register(writer.Number, PollEvents.Writable);
            pipes[writer.Number] = (reader, writer);
            writerOf[reader.Number] = writer.Number;
        }
        Random random = new(1);
        for (int left = 12; left > 0; left--)
        {
            int[] writers = Matching(poll.Wait(null), PollEvents.Writable);
            Assert.Equal(left, writers.Length);
            int chosen = writers[random.Next(left)];
            pipes[chosen].Writer.WriteOrFail(" This is a test."u8);
            int readable = Assert.Single(Matching(poll.Wait(null), PollEvents.Readable));
            Assert.Equal(chosen, writerOf[readable]);
            (DescriptorHandle reader, DescriptorHandle writer) = pipes[chosen];
            Assert.Equal(16, reader.ReadOrFail());
            poll.Unregister(chosen);
            poll.Unregister(readable);
            writer.Dispose();
            reader.Dispose();
        }
        Assert.Empty(poll.Wait(TimeSpan.Zero));
    }

    [Fact]
    public void A_number_that_is_not_open_is_registered_and_answered_as_such()
    {
        const int Closed = 1021;
        Assert.False(DescriptorCalls.IsOpen(Closed));
        Poll poll = new();
        poll.Register(Closed);
        Assert.Equal([new PollResult(Closed, PollEvents.NotOpen)], poll.Wait(null));
    }

    [Fact]
    public void A_regular_file_is_ready_for_both()
    {
        Poll poll = new();
        using var file = File.OpenHandle(Environment.ProcessPath!);
        int number = (int)file.DangerousGetHandle();
        poll.Register(number);
        Assert.Equal([new PollResult(number, PollEvents.Readable | PollEvents.Writable)], poll.Wait(null));
    }

    [Fact]
    public void The_end_of_a_pipe_is_a_hang_up()
    {
        (DescriptorHandle reader, DescriptorHandle writer) = DescriptorCalls.CreatePipe();
        using (reader)
        {
            Poll poll = new();
            poll.Register(reader.Number, PollEvents.Readable);
            Assert.Empty(poll.Wait(TimeSpan.Zero));
            writer.WriteOrFail("testing...\n"u8);
            Assert.Equal([new PollResult(reader.Number, PollEvents.Readable)], poll.Wait(null));
            writer.Dispose();
            Assert.Equal([new PollResult(reader.Number, PollEvents.Readable | PollEvents.HangUp)], poll.Wait(null));
            reader.ReadOrFail();
            Assert.Equal([new PollResult(reader.Number, PollEvents.HangUp)], poll.Wait(null));
        }
    }

    [Fact]
    public void Unknown_and_negative_numbers_are_refused()
    {
        Poll poll = new();
        Assert.Throws<KeyNotFoundException>(() => poll.Unregister(3));
        Assert.Throws<KeyNotFoundException>(() => poll.Modify(3, PollEvents.Readable));
        Assert.Throws<ArgumentOutOfRangeException>(() => poll.Register(-1));
    }

    [Fact]
    public void Registering_again_changes_the_interest()
    {
        using Pair pair = new();
        Poll poll = new();
        poll.Register(pair.First.Number, PollEvents.Readable);
        Assert.Empty(poll.Wait(TimeSpan.Zero));
        poll.Register(pair.First.Number, PollEvents.Writable);
        Assert.Equal([new PollResult(pair.First.Number, PollEvents.Writable)], poll.Wait(null));
    }

    [Fact]
    public void A_second_thread_may_change_the_list_but_not_wait_on_it()
    {
        using Pair pair = new();
        using Pair unrelated = new();
        Poll poll = new();
        poll.Register(pair.First.Number, PollEvents.Readable);
        List<DescriptorHandle> copies = [.. Enumerable.Range(0, 10).Select(_ => DescriptorCalls.Duplicate(pair.First.Number))];
        copies.ForEach(copy => poll.Register(copy.Number, PollEvents.Readable));
        IReadOnlyList<PollResult> ready = [];
        Thread waiter = new(() =>
        {
            while (Record.Exception(() => ready = poll.Wait(null)) is InvalidOperationException)
            {
            }
        });
        waiter.Start();
        Exception? refused = null;
        Assert.True(SpinWait.SpinUntil(() => (refused = Record.Exception(() => poll.Wait(TimeSpan.Zero))) is not null, Waits.Patience));
        Assert.IsType<InvalidOperationException>(refused);
        copies.ForEach(copy => poll.Unregister(copy.Number));
        poll.Register(unrelated.First.Number, PollEvents.Writable);
        Assert.Throws<InvalidOperationException>(() => poll.Wait(null));
        pair.Second.WriteOrFail("spam"u8);
        waiter.JoinOrFail();
        // What was asked when the wait began.
        Assert.Equal(11, ready.Count);
        Assert.Equal([pair.First.Number, unrelated.First.Number], poll.Wait(null).Select(one => one.Descriptor));
        copies.ForEach(copy => copy.Dispose());
    }

    [Fact]
    public void Null_and_negative_wait_for_ever()
    {
        foreach (TimeSpan? timeout in (TimeSpan?[])[null, TimeSpan.FromSeconds(-1), TimeSpan.FromMilliseconds(-1), TimeSpan.FromTicks(-1)])
        {
            using Pair pair = new();
            Poll poll = new();
            poll.Register(pair.First.Number, PollEvents.Readable);
            Thread waiter = new(() => poll.Wait(timeout));
            waiter.Start();
            Assert.False(waiter.Join(Waits.Glance), $"A wait of {timeout} ended by itself.");
            pair.Second.WriteOrFail("spam"u8);
            waiter.JoinOrFail();
        }
    }

    private static int[] Matching(IReadOnlyList<PollResult> ready, PollEvents events) =>
        [.. ready.Where(one => (one.Events & events) != 0).Select(one => one.Descriptor)];
}
