using System.Net;
using System.Net.Sockets;

namespace Switchboard.Linux.Tests;

public sealed class SystemCallExceptionTests
{
    [Theory]
    [InlineData(Errno.AddressInUse, typeof(AddressInUseException))]
    [InlineData(Errno.ProcessDescriptorLimit, typeof(DescriptorLimitException))]
    [InlineData(Errno.SystemDescriptorLimit, typeof(DescriptorLimitException))]
    [InlineData(Errno.BadDescriptor, typeof(BadDescriptorException))]
    [InlineData(Errno.ConnectionRefused, typeof(SystemCallException))]
    [InlineData((Errno)9999, typeof(SystemCallException))]
    public void An_error_has_the_type_that_fits_it_and_keeps_its_number(Errno errno, Type type)
    {
        SystemCallException e = SystemCallException.For("call", errno, "subject");
        Assert.IsType(type, e, exactMatch: true);
        Assert.Equal(("call", errno), (e.Call, e.Errno));
        Assert.IsType<IOException>(e, exactMatch: false);
    }

    [Fact]
    public void The_sentences_say_what_was_tried_on_what_and_what_to_do()
    {
        Assert.Equal("127.0.0.1:80 is in use: another socket is bound to it. End that program, choose another address, or let both sides set port reuse.",
            SystemCallException.For("bind", Errno.AddressInUse, "127.0.0.1:80").Message);
        Assert.Equal("accept4 failed: this process is out of descriptors (EMFILE). Close some, or raise its limit (ulimit -n).",
            SystemCallException.For("accept4", Errno.ProcessDescriptorLimit).Message);
        Assert.Equal("accept4 failed: the system is out of open files (ENFILE). Close some, or raise fs.file-max.",
            SystemCallException.For("accept4", Errno.SystemDescriptorLimit).Message);
        Assert.Equal("read failed: descriptor 5 is not open (EBADF). It was closed, or never opened.",
            SystemCallException.For("read", Errno.BadDescriptor, "descriptor 5").Message);
        Assert.Equal("read failed: the descriptor is not open (EBADF). It was closed, or never opened.",
            SystemCallException.For("read", Errno.BadDescriptor).Message);
        Assert.Equal("connect failed: Connection refused (errno 111).", SystemCallException.For("connect", Errno.ConnectionRefused).Message);
        Assert.Equal("mine", new SystemCallException("call", Errno.NoMemory, "mine").Message);
        Assert.Equal((Errno.NotPermitted, "epoll_ctl"), (new NotPollableException(3).Errno, new NotPollableException(3).Call));
    }

    [Fact]
    public void The_kernel_s_refusals_arrive_as_these_types()
    {
        using DescriptorHandle listener = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
        SocketCalls.Bind(listener.Number, new IPEndPoint(IPAddress.Loopback, 0));
        SocketCalls.Listen(listener.Number, 1);
        EndPoint address = SocketCalls.LocalAddress(listener.Number).ToEndPoint()!;
        using DescriptorHandle second = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
        Assert.StartsWith($"{address} is in use", Assert.Throws<AddressInUseException>(() => SocketCalls.Bind(second.Number, address)).Message, StringComparison.Ordinal);
        Assert.Throws<BadDescriptorException>(() => SocketCalls.Bind(1018, address));
        Assert.Throws<BadDescriptorException>(() => DescriptorCalls.Duplicate(1018));
        Assert.Equal(Errno.BadDescriptor, DescriptorCalls.Read(1018, new byte[1]).Errno);
        (DescriptorHandle reader, DescriptorHandle writer) = DescriptorCalls.CreatePipe();
        using (writer)
        {
            reader.Dispose();
            Assert.Equal(Errno.BrokenPipe, DescriptorCalls.Write(writer.Number, "x"u8).Errno);
        }
        Assert.Equal(Errno.NotSocket, SocketCalls.Send(MakeEvent(out DescriptorHandle counter), "x"u8).Errno);
        counter.Dispose();
    }

    private static int MakeEvent(out DescriptorHandle counter) => (counter = DescriptorCalls.CreateEvent()).Number;
}
