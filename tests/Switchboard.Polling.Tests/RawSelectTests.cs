using System.Diagnostics;
using System.IO.Pipes;
using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

public sealed class RawSelectTests
{
    [Fact]
    public void Three_lists_go_in_and_those_ready_come_out()
    {
        using Pair pair = new();
        pair.Second.WriteOrFail("x"u8);
        SelectResult<int> ready = RawSelect.Select([pair.First.Number, pair.Second.Number], [pair.Second.Number], [pair.First.Number], null);
        Assert.Equal([pair.First.Number], ready.Readable);
        Assert.Equal([pair.Second.Number], ready.Writable);
        Assert.Empty(ready.Exceptional);
    }

    [Fact]
    public void Sockets_come_out_as_sockets_and_handles_as_handles()
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using Socket caller = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        caller.Connect(listener.LocalEndPoint!);
        SelectResult<Socket> sockets = RawSelect.Select([listener], [caller], [], Waits.Patience);
        Assert.Same(listener, Assert.Single(sockets.Readable));
        Assert.Same(caller, Assert.Single(sockets.Writable));
        using Socket accepted = listener.Accept();
        caller.Send("!"u8, SocketFlags.OutOfBand);
        Assert.Same(accepted, Assert.Single(RawSelect.Select([], [], [accepted], Waits.Patience).Exceptional));

        (DescriptorHandle reader, DescriptorHandle writer) = DescriptorCalls.CreatePipe();
        using (reader)
        using (writer)
        {
            Assert.Same(writer, Assert.Single(RawSelect.Select([reader], [writer], [], Waits.Patience).Writable));
        }
    }

    [Fact]
    public void Three_empty_lists_come_out_after_the_time_each_its_own()
    {
        using Pair pair = new();
        foreach (SelectResult<DescriptorHandle> ready in (SelectResult<DescriptorHandle>[])
            [RawSelect.Select([pair.First], [], [pair.First], TimeSpan.FromMilliseconds(10)), RawSelect.Select<DescriptorHandle>([], [], [], TimeSpan.Zero)])
        {
            Assert.Empty(ready.Readable);
            Assert.Empty(ready.Writable);
            Assert.Empty(ready.Exceptional);
            Assert.NotSame(ready.Readable, ready.Writable);
            Assert.NotSame(ready.Writable, ready.Exceptional);
        }
    }

    [Fact]
    public void Wrong_numbers_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => RawSelect.Select([-1], [], [], TimeSpan.Zero));
        Assert.Throws<ArgumentOutOfRangeException>(() => RawSelect.Select([], [1024], [], TimeSpan.Zero));
        Assert.Throws<ArgumentNullException>(() => RawSelect.Select([1], null!, [], TimeSpan.Zero));
        Pair pair = new();
        pair.Dispose();
        Assert.Throws<ObjectDisposedException>(() => RawSelect.Select([pair.First], [], [], TimeSpan.Zero));
    }

    [Fact]
    public void A_closed_number_is_named()
    {
        const int Closed = 1022;
        Assert.False(DescriptorCalls.IsOpen(Closed));
        using Pair pair = new();
        BadDescriptorException e = Assert.Throws<BadDescriptorException>(() => RawSelect.Select([pair.First.Number], [], [Closed], TimeSpan.Zero));
        Assert.Equal(Errno.BadDescriptor, e.Errno);
        Assert.Equal($"select failed: descriptor {Closed} is not open (EBADF). It was closed, or never opened.", e.Message);
    }

    [Fact]
    public void The_lists_are_read_once_and_never_changed()
    {
        using Pair pair = new();
        List<int> given = [pair.First.Number, pair.First.Number, pair.Second.Number];
        int enumerations = 0;
        IEnumerable<int> Writers()
        {
            enumerations++;
            foreach (int number in given.ToArray())
            {
                // A list that changes while it is read.
                given.RemoveAt(given.Count - 1);
                yield return number;
            }
        }
        SelectResult<int> ready = RawSelect.Select([], Writers(), [], Waits.Patience);
        Assert.Equal([pair.First.Number, pair.First.Number, pair.Second.Number], ready.Writable);
        Assert.Equal(1, enumerations);
        Assert.Empty(given);
    }

    [Fact]
    public async Task The_output_of_a_program_comes_line_by_line_until_its_end()
    {
        ProcessStartInfo start = new("/bin/sh", ["-c", "for i in 1 2 3 4 5 6 7 8 9 10; do echo testing...; sleep 0.02; done"]) { RedirectStandardOutput = true };
        using Process program = Process.Start(start)!;
        // The stream is an anonymous pipe on every Unix; its handle is what select needs.
        SafePipeHandle output = Assert.IsType<AnonymousPipeClientStream>(program.StandardOutput.BaseStream).SafePipeHandle;
        int bytes = 0;
        for (int turn = 0; ; turn++)
        {
            TimeSpan? timeout = turn < 100 ? TimeSpan.FromMilliseconds(turn) : null;
            SelectResult<SafePipeHandle> ready = RawSelect.Select([output], [], [], timeout);
            Assert.Empty(ready.Writable);
            Assert.Empty(ready.Exceptional);
            if (ready.Readable.Count == 0)
            {
                continue;
            }
            Assert.Same(output, Assert.Single(ready.Readable));
            byte[] line = new byte[100];
            int count = DescriptorCalls.Read((int)output.DangerousGetHandle(), line).OrThrow("read");
            if (count == 0)
            {
                break;
            }
            Assert.StartsWith("testing...\n", System.Text.Encoding.ASCII.GetString(line, 0, count), StringComparison.Ordinal);
            bytes += count;
        }
        Assert.Equal(110, bytes);
        await program.WaitForExitAsync(TestContext.Current.CancellationToken);
    }
}
