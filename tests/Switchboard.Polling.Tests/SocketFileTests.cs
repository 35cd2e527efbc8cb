using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Polling.Tests;

/// <summary>The files of Unix sockets: left over ones make room, live ones and files of others stay.</summary>
public sealed class SocketFileTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("socket-file");

    public void Dispose() => _directory.Delete(recursive: true);

    public static TheoryData<SocketType, SocketType> Types { get; } = new()
    {
        { SocketType.Stream, SocketType.Stream },
        { SocketType.Stream, SocketType.Dgram },
        { SocketType.Dgram, SocketType.Stream },
        { SocketType.Dgram, SocketType.Dgram },
    };

    private string FilePath => Path.Combine(_directory.FullName, "it.sock");

    private UnixDomainSocketEndPoint Address => new(FilePath);

    [Theory, MemberData(nameof(Types))]
    public void A_file_that_an_ended_socket_left_is_replaced(SocketType old, SocketType @new)
    {
        BoundSocket.Create(Address, old, new ListenerOptions()).Dispose();
        FileIdentity left = Assert.NotNull(FileCalls.Identify(FilePath));
        using DescriptorHandle handle = BoundSocket.Create(Address, @new, new ListenerOptions());
        Assert.True(left.IsSocket);
        Assert.True(FileCalls.Identify(FilePath) is { IsSocket: true });
        Assert.Equal(FilePath, BoundSocket.FileOf(SocketCalls.LocalAddress(handle.Number).ToEndPoint()));
    }

    [Theory, MemberData(nameof(Types))]
    public void The_file_of_a_live_socket_stays_even_if_that_is_of_another_type(SocketType live, SocketType other)
    {
        using DescriptorHandle handle = BoundSocket.Create(Address, live, new ListenerOptions());
        if (live == SocketType.Stream)
        {
            SocketCalls.Listen(handle.Number, 1);
        }
        AssertStays(other);
    }

    [Fact]
    public void The_file_of_a_socket_that_does_not_listen_yet_stays()
    {
        using DescriptorHandle handle = BoundSocket.Create(Address, SocketType.Stream, new ListenerOptions());
        AssertStays(SocketType.Stream);
        SocketCalls.Listen(handle.Number, 1);
        using Socket caller = ListenerTests.Call(Address);
    }

    [Fact]
    public void The_file_of_a_listener_whose_backlog_is_full_stays()
    {
        using DescriptorHandle handle = BoundSocket.Create(Address, SocketType.Stream, new ListenerOptions());
        SocketCalls.Listen(handle.Number, 0);
        var callers = new List<DescriptorHandle>();
        CallResult result;
        do
        {
            DescriptorHandle caller = SocketCalls.Create(AddressFamily.Unix, SocketType.Stream, nonBlocking: true);
            callers.Add(caller);
            result = SocketCalls.Connect(caller.Number, Address);
        }
        while (result.Succeeded && callers.Count < 100);
        Assert.True(result.WouldBlock, "The backlog has no end.");
        AssertStays(SocketType.Stream);
        callers.ForEach(caller => caller.Dispose());
    }

    [Fact]
    public void Looking_whether_a_socket_lives_is_no_caller_to_it()
    {
        using Listener listener = ListenerTests.Listening(Address);
        AssertStays(SocketType.Stream);
        NativeAddress peer = default;
        Assert.True(listener.Accept(ref peer).WouldBlock, "The look was taken for a caller.");
    }

    [Theory]
    [InlineData("", SocketType.Stream)]
    [InlineData("", SocketType.Dgram)]
    [InlineData("precious", SocketType.Stream)]
    [InlineData("precious", SocketType.Dgram)]
    public void A_regular_file_stays_even_an_empty_one(string content, SocketType type)
    {
        File.WriteAllText(FilePath, content);
        AssertStays(type);
        Assert.Equal(content, File.ReadAllText(FilePath));
    }

    [Fact]
    public void A_directory_stays()
    {
        Directory.CreateDirectory(FilePath);
        AssertStays(SocketType.Stream);
        Assert.True(Directory.Exists(FilePath));
    }

    [Fact]
    public void A_missing_directory_is_told_with_the_path()
    {
        var address = new UnixDomainSocketEndPoint(Path.Combine(_directory.FullName, "missing", "it.sock"));
        SystemCallException exception = Assert.Throws<SystemCallException>(() => BoundSocket.Create(address, SocketType.Stream, new ListenerOptions()));
        Assert.Equal(Errno.NoEntry, exception.Errno);
        Assert.Contains(address.ToString(), exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_abstract_address_has_no_file_and_is_free_again_when_its_socket_is_closed()
    {
        var address = new UnixDomainSocketEndPoint($"\0switchboard-{Guid.NewGuid()}");
        using (Listener first = ListenerTests.Listening(address))
        {
            Assert.Null(BoundSocket.FileOf(first.LocalEndPoint));
            Assert.Throws<AddressInUseException>(() => Listener.Bind(address, new ListenerOptions()));
            using Socket caller = ListenerTests.Call(address);
            ListenerTests.Accept(first, out EndPoint? from).Dispose();
            Assert.Null(from);
        }
        using Listener second = ListenerTests.Listening(address);
        Assert.Empty(_directory.EnumerateFileSystemInfos());
    }

    [Fact]
    public void Only_unix_sockets_with_a_path_have_a_file()
    {
        Assert.Null(BoundSocket.FileOf(null));
        Assert.Null(BoundSocket.FileOf(new IPEndPoint(IPAddress.Loopback, 80)));
        Assert.Null(BoundSocket.FileOf(new UnixDomainSocketEndPoint("\0name")));
        Assert.Equal("/run/it.sock", BoundSocket.FileOf(new UnixDomainSocketEndPoint("/run/it.sock")));
    }

    private void AssertStays(SocketType type)
    {
        FileIdentity before = Assert.NotNull(FileCalls.Identify(FilePath));
        Assert.Throws<AddressInUseException>(() => BoundSocket.Create(Address, type, new ListenerOptions()));
        Assert.Equal(before, FileCalls.Identify(FilePath));
    }
}
