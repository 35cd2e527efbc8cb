namespace Switchboard.Linux.Tests;

/// <summary>The numbers are high ones, which nothing else in the process is given.</summary>
public sealed class DescriptorTests
{
    [Fact]
    public void A_handle_closes_its_descriptor_once()
    {
        using DescriptorHandle counter = DescriptorCalls.CreateEvent();
        DescriptorHandle copy = DescriptorCalls.Duplicate(counter.Number, 700);
        int number = copy.Number;
        Assert.True(number >= 700 && DescriptorCalls.IsOpen(number));
        copy.Dispose();
        Assert.False(DescriptorCalls.IsOpen(number));
        using DescriptorHandle next = DescriptorCalls.Duplicate(counter.Number, number);
        Assert.Equal(number, next.Number);
        copy.Dispose();
        Assert.True(DescriptorCalls.IsOpen(number), "The second Dispose closed a number that is in use again.");
        Assert.True(copy.IsClosed);
    }

    [Fact]
    public void A_handle_that_does_not_own_its_descriptor_leaves_it_open()
    {
        using DescriptorHandle owner = DescriptorCalls.CreateEvent();
        new DescriptorHandle(owner.Number, ownsDescriptor: false).Dispose();
        Assert.True(DescriptorCalls.IsOpen(owner.Number));
    }

    [Fact]
    public void An_empty_handle_is_invalid()
    {
        using DescriptorHandle none = new();
        Assert.True(none.IsInvalid);
        Assert.Equal(-1, none.Number);
        Assert.False(DescriptorCalls.IsOpen(none.Number));
    }

    [Fact]
    public void New_descriptors_are_closed_when_a_program_is_started()
    {
        (DescriptorHandle reader, DescriptorHandle writer) = DescriptorCalls.CreatePipe();
        (DescriptorHandle first, DescriptorHandle second) = SocketCalls.CreatePair();
        using DescriptorHandle counter = DescriptorCalls.CreateEvent();
        using DescriptorHandle epoll = MultiplexCalls.CreateEpoll();
        using DescriptorHandle socket = SocketCalls.Create(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream);
        using DescriptorHandle copy = DescriptorCalls.Duplicate(socket.Number);
        foreach (DescriptorHandle handle in (DescriptorHandle[])[reader, writer, first, second, counter, epoll, socket, copy])
        {
            // O_CLOEXEC is 02000000.
            string flags = File.ReadLines($"/proc/self/fdinfo/{handle.Number}").Single(line => line.StartsWith("flags:", StringComparison.Ordinal));
            Assert.True((Convert.ToInt64(flags[6..].Trim(), 8) & 0x80000) != 0, $"Descriptor {handle.Number} would be inherited: {flags}.");
        }
        reader.Dispose();
        writer.Dispose();
        first.Dispose();
        second.Dispose();
    }

    [Fact]
    public void An_event_counter_counts_and_is_taken_back_as_a_whole()
    {
        using DescriptorHandle counter = DescriptorCalls.CreateEvent();
        DescriptorCalls.ResetEvent(counter.Number);
        DescriptorCalls.SignalEvent(counter.Number);
        DescriptorCalls.SignalEvent(counter.Number);
        byte[] count = new byte[8];
        Assert.Equal(8, DescriptorCalls.Read(counter.Number, count).OrThrow("read"));
        Assert.Equal(2UL, BitConverter.ToUInt64(count));
        Assert.True(DescriptorCalls.Read(counter.Number, count).WouldBlock);
        Assert.Throws<BadDescriptorException>(() => DescriptorCalls.SignalEvent(1017));
        Assert.Throws<BadDescriptorException>(() => DescriptorCalls.ResetEvent(1017));
    }

    [Fact]
    public void A_number_can_be_made_to_mean_another_file()
    {
        (DescriptorHandle reader, DescriptorHandle writer) = DescriptorCalls.CreatePipe();
        using DescriptorHandle counter = DescriptorCalls.CreateEvent();
        DescriptorCalls.DuplicateOnto(counter.Number, writer.Number);
        // The pipe's only writing end is gone by that.
        Assert.Equal(0, DescriptorCalls.Read(reader.Number, new byte[1]).OrThrow("read"));
        DescriptorCalls.SignalEvent(writer.Number);
        Assert.Equal(8, DescriptorCalls.Read(counter.Number, new byte[8]).OrThrow("read"));
        reader.Dispose();
        writer.Dispose();
    }

    [Fact]
    public void Non_blocking_is_switched_on_and_off_and_unread_bytes_are_counted()
    {
        (DescriptorHandle reader, DescriptorHandle writer) = DescriptorCalls.CreatePipe();
        using (reader)
        using (writer)
        {
            DescriptorCalls.SetNonBlocking(reader.Number, true);
            Assert.True(DescriptorCalls.Read(reader.Number, new byte[1]).WouldBlock);
            DescriptorCalls.Write(writer.Number, "abc"u8);
            Assert.Equal(3, DescriptorCalls.CountUnread(reader.Number).OrThrow("ioctl"));
            DescriptorCalls.SetNonBlocking(reader.Number, false);
            Assert.Equal(3, DescriptorCalls.Read(reader.Number, new byte[9]).OrThrow("read"));
            Assert.Equal(Errno.BadDescriptor, DescriptorCalls.CountUnread(1017).Errno);
            Assert.Throws<BadDescriptorException>(() => DescriptorCalls.SetNonBlocking(1017, true));
        }
    }
}
