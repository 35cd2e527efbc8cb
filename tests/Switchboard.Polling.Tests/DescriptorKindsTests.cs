using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Switchboard.Linux;
using Switchboard.Tests;

namespace Switchboard.Polling.Tests;

public sealed class DescriptorKindsTests
{
    [Theory, EverySelector]
    public void A_pipe_is_readable_when_it_holds_something_and_when_its_writer_is_gone(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        (DescriptorHandle reader, DescriptorHandle writer) = DescriptorCalls.CreatePipe();
        using (reader)
        {
            SelectorKey key = selector.Register(reader, Interest.Read);
            Assert.Empty(selector.Select(TimeSpan.Zero));
            writer.WriteOrFail("x"u8);
            Assert.Equal([new ReadyEvent(key, Readiness.Readable)], selector.Select(Waits.Patience));
            Assert.Equal(1, reader.ReadOrFail());
            Assert.Empty(selector.Select(TimeSpan.Zero));
            writer.Dispose();
            Assert.Equal([new ReadyEvent(key, Readiness.Readable | IfTold(name, Readiness.HangUp))], selector.Select(Waits.Patience));
            Assert.Equal(0, reader.ReadOrFail());
        }
    }

    [Theory, EverySelector]
    public void A_pipe_whose_reader_is_gone_is_writable_with_an_error(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        (DescriptorHandle reader, DescriptorHandle writer) = DescriptorCalls.CreatePipe(nonBlocking: true);
        using (writer)
        {
            while (DescriptorCalls.Write(writer.Number, new byte[4096]).Succeeded)
            {
            }
            SelectorKey key = selector.Register(writer, Interest.Write);
            Assert.Empty(selector.Select(TimeSpan.Zero));
            reader.Dispose();
            Assert.Equal([new ReadyEvent(key, Readiness.Writable | IfTold(name, Readiness.Error))], selector.Select(Waits.Patience));
        }
    }

    [Theory, EverySelector]
    public void A_listener_is_readable_when_a_caller_is_there_and_a_socket_writable_when_it_is_connected(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Socket listener = Listen();
        SelectorKey listening = selector.Register(listener, Interest.Read);
        Assert.Empty(selector.Select(TimeSpan.Zero));
        using DescriptorHandle caller = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream, nonBlocking: true);
        Assert.Equal(Errno.InProgress, SocketCalls.Connect(caller.Number, listener.LocalEndPoint!).Errno);
        SelectorKey connecting = selector.Register(caller, Interest.Write);
        HashSet<ReadyEvent> ready = [];
        while (ready.Count < 2)
        {
            ready.UnionWith(selector.Select(Waits.Patience));
        }
        Assert.Equal([new ReadyEvent(listening, Readiness.Readable), new ReadyEvent(connecting, Readiness.Writable)], ready.OrderBy(one => one.Ready));
        Assert.Equal(Errno.None, SocketCalls.TakeError(caller.Number));
    }

    [Theory, EverySelector]
    public void A_refused_connection_is_writable_with_an_error_to_fetch(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        EndPoint nobody;
        using (Socket listener = Listen())
        {
            nobody = listener.LocalEndPoint!;
        }
        using DescriptorHandle caller = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream, nonBlocking: true);
        SocketCalls.Connect(caller.Number, nobody);
        selector.Register(caller, Interest.Write);
        Readiness ready = Assert.Single(selector.Select(Waits.Patience)).Ready;
        Assert.True(ready.HasFlag(Readiness.Writable | IfTold(name, Readiness.Error)), $"It was {ready}.");
        Assert.Equal(Errno.ConnectionRefused, SocketCalls.TakeError(caller.Number));
    }

    [Theory, EverySelector]
    public void Out_of_band_data_is_a_priority_event(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using Socket listener = Listen();
        using Socket caller = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        caller.Connect(listener.LocalEndPoint!);
        using Socket accepted = listener.Accept();
        SelectorKey key = selector.Register(accepted, Interest.Priority);
        caller.Send("x"u8);
        caller.Send("!"u8, SocketFlags.OutOfBand);
        Assert.Equal([new ReadyEvent(key, Readiness.Priority)], selector.Select(Waits.Patience));
    }

    [Theory, EverySelector]
    public void An_event_counter_is_readable_while_it_is_above_zero(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using DescriptorHandle counter = DescriptorCalls.CreateEvent();
        SelectorKey key = selector.Register(counter, Interest.Read);
        Assert.Empty(selector.Select(TimeSpan.Zero));
        DescriptorCalls.SignalEvent(counter.Number);
        Assert.Equal([new ReadyEvent(key, Readiness.Readable)], selector.Select(Waits.Patience));
        DescriptorCalls.ResetEvent(counter.Number);
        Assert.Empty(selector.Select(TimeSpan.Zero));
    }

    [Theory, EverySelector]
    public void A_terminal_is_readable_when_a_whole_line_is_typed(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using PseudoTerminal terminal = new();
        using SafeFileHandle screen = File.OpenHandle(terminal.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        SelectorKey key = selector.Register(screen, Interest.Read);
        terminal.Type("hel");
        Assert.Empty(selector.Select(TimeSpan.Zero));
        terminal.Type("lo\n");
        Assert.Equal([new ReadyEvent(key, Readiness.Readable)], selector.Select(Waits.Patience));
        byte[] line = new byte[100];
        Assert.Equal("hello\n"u8, line.AsSpan(0, DescriptorCalls.Read(key.Descriptor, line).OrThrow("read")));
    }

    [Theory]
    [InlineData("select")]
    [InlineData("poll")]
    public void A_regular_file_is_always_ready(string name)
    {
        using Selector selector = EverySelectorAttribute.Make(name);
        using SafeFileHandle file = File.OpenHandle(Environment.ProcessPath!);
        SelectorKey key = selector.Register(file, Interest.Read | Interest.Write);
        Assert.Equal([new ReadyEvent(key, Readiness.Readable | Readiness.Writable)], selector.Select());
    }

    [Theory]
    [InlineData(Interest.Read)]
    [InlineData(Interest.None)]
    public void Epoll_refuses_a_regular_file_and_says_what_to_do(Interest interest)
    {
        using EpollSelector selector = new();
        using SafeFileHandle file = File.OpenHandle(Environment.ProcessPath!);
        int descriptor = (int)file.DangerousGetHandle();
        NotPollableException e = Assert.Throws<NotPollableException>(() => selector.Register(file, interest));
        Assert.Equal(Errno.NotPermitted, e.Errno);
        Assert.Equal($"epoll cannot watch descriptor {descriptor}: it is a regular file or a directory, which is always ready (EPERM). Read it directly, or use select or poll.", e.Message);
        Assert.Throws<KeyNotFoundException>(() => selector.GetKey(descriptor));
    }

    [Theory]
    [InlineData("select")]
    [InlineData("poll")]
    public void Standard_input_is_a_descriptor_like_others(string name)
    {
        Assert.SkipUnless(DescriptorCalls.IsOpen(0), "The tests were started without standard input.");
        using Selector selector = EverySelectorAttribute.Make(name);
        SelectorKey key = selector.Register(0, Interest.None);
        Assert.Empty(selector.Select(TimeSpan.Zero));
        selector.Modify(key, Interest.Read);
        // It may be a terminal or pipe with or without input, or the null device, which is always ready.
        Assert.All(selector.Select(TimeSpan.Zero), ready => Assert.Same(key, ready.Key));
        Assert.Same(key, selector.Unregister(0));
    }

    // select(2) has three lists only.
    private static Readiness IfTold(string name, Readiness readiness) => name == "select" ? Readiness.None : readiness;

    private static Socket Listen()
    {
        Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }
}
