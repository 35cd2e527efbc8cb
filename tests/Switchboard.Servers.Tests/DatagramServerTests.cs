using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Switchboard.Linux;

namespace Switchboard.Servers.Tests;

public sealed class DatagramServerTests : IDisposable
{
    private const int Limit = 120_000;
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("datagrams");
    private readonly ConcurrentBag<Socket> _clients = [];
    private int _lastClient;

    public static TheoryData<bool, Model> KindsAndModels { get; } = [.. from unix in (bool[])[false, true] from model in Enum.GetValues<Model>() select (unix, model)];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        foreach (Socket client in _clients)
        {
            client.Dispose();
        }
        _directory.Delete(recursive: true);
    }

    [Theory(Timeout = Limit), MemberData(nameof(KindsAndModels))]
    public async Task A_datagram_gets_its_replies(bool unix, Model model)
    {
        await using DatagramServer server = Make(unix, model, async (datagram, stop) =>
        {
            await datagram.ReplyAsync(datagram.Data, stop);
            await Task.Run(async () => await datagram.ReplyAsync("from another thread"u8.ToArray(), stop), stop);
            await datagram.ReplyAsync(Encoding.UTF8.GetBytes($"{datagram.RemoteEndPoint} {datagram.LocalEndPoint}"), stop);
        });
        await server.StartAsync(Cancellation);
        Socket client = Client(server);
        await SendAsync(client, "hello");
        Assert.Equal("hello", await ReceiveAsync(client));
        Assert.Equal("from another thread", await ReceiveAsync(client));
        Assert.Equal($"{client.LocalEndPoint} {server.LocalEndPoint}", await ReceiveAsync(client));
        await SoonAsync(() => server.Statistics.Open == 0);
        Assert.Equal(1, server.Statistics.Accepted);
    }

    [Theory(Timeout = Limit), MemberData(nameof(KindsAndModels))]
    public async Task Many_senders_each_get_their_own_replies(bool unix, Model model)
    {
        var ids = new ConcurrentDictionary<long, bool>();
        await using DatagramServer server = Make(unix, model, (datagram, stop) =>
        {
            Assert.True(ids.TryAdd(datagram.Id, true), "Two datagrams have one number.");
            return datagram.ReplyAsync(datagram.Data, stop).AsTask();
        });
        await server.StartAsync(Cancellation);
        await Task.WhenAll(Enumerable.Range(0, 10).Select(async sender =>
        {
            Socket client = Client(server);
            for (int i = 0; i < 50; i++)
            {
                await SendAsync(client, $"{sender} {i}");
                Assert.Equal($"{sender} {i}", await ReceiveAsync(client));
            }
        }));
        Assert.Equal(500, ids.Count);
    }

    [Fact(Timeout = Limit)]
    public async Task Threads_serve_datagrams_at_the_same_time()
    {
        int inside = 0;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using DatagramServer server = Make(unix: false, Model.Threads, async (datagram, stop) =>
        {
            if (Interlocked.Increment(ref inside) == 8)
            {
                all.SetResult();
            }
            await all.Task;
            await datagram.ReplyAsync(datagram.Data, stop);
        });
        await server.StartAsync(Cancellation);
        Socket client = Client(server);
        for (int i = 0; i < 8; i++)
        {
            await SendAsync(client, "together");
        }
        for (int i = 0; i < 8; i++)
        {
            Assert.Equal("together", await ReceiveAsync(client));
        }
    }

    [Theory(Timeout = Limit), MemberData(nameof(KindsAndModels))]
    public async Task What_is_longer_than_the_packet_size_is_cut_and_says_so(bool unix, Model model)
    {
        await using DatagramServer server = Make(unix, model, (datagram, stop) =>
            datagram.ReplyAsync(Encoding.UTF8.GetBytes($"{Encoding.UTF8.GetString(datagram.Data.Span)} {datagram.OriginalLength} {datagram.IsTruncated}"), stop).AsTask(),
            new ServerOptions { MaxPacketSize = 4 });
        await server.StartAsync(Cancellation);
        Socket client = Client(server);
        await SendAsync(client, "abcdefgh");
        Assert.Equal("abcd 8 True", await ReceiveAsync(client));
        await SendAsync(client, "abcd");
        Assert.Equal("abcd 4 False", await ReceiveAsync(client));
    }

    [Theory(Timeout = Limit), MemberData(nameof(KindsAndModels))]
    public async Task An_empty_datagram_is_a_datagram(bool unix, Model model)
    {
        await using DatagramServer server = Make(unix, model, async (datagram, stop) =>
        {
            await datagram.ReplyAsync(ReadOnlyMemory<byte>.Empty, stop);
            await datagram.ReplyAsync(Encoding.UTF8.GetBytes($"{datagram.Data.Length} {datagram.OriginalLength} {datagram.IsTruncated}"), stop);
        });
        await server.StartAsync(Cancellation);
        Socket client = Client(server);
        await SendAsync(client, "");
        Assert.Equal("", await ReceiveAsync(client));
        Assert.Equal("0 0 False", await ReceiveAsync(client));
    }

    [Fact(Timeout = Limit)]
    public async Task A_unix_sender_without_a_name_can_t_be_answered_and_harms_nobody()
    {
        var failure = new TaskCompletionSource<(EndPoint? Remote, Exception Exception)>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new UnixHooks(ServerPath, (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask());
        server.Error = (datagram, exception) => failure.TrySetResult((datagram.RemoteEndPoint, exception));
        await server.StartAsync(Cancellation);
        await SendAsync(Client(server, named: false), "who am I");
        (EndPoint? remote, Exception exception) = await failure.Task.WaitAsync(_patience, Cancellation);
        Assert.Null(remote);
        Assert.Equal("The sender's Unix socket is not bound to an address, so it can't be answered. Have the client bind its socket.", Assert.IsType<InvalidOperationException>(exception).Message);
        Socket client = Client(server);
        await SendAsync(client, "named");
        Assert.Equal("named", await ReceiveAsync(client));
    }

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_handler_that_throws_is_told_and_harms_nobody(Model model)
    {
        var failures = new ConcurrentQueue<Exception>();
        await using var server = new UdpHooks((datagram, stop) => datagram.Data.Length == 3
            ? throw new FormatException("bad datagram")
            : datagram.ReplyAsync(datagram.Data, stop).AsTask(), model.Make());
        server.Error = (_, exception) => failures.Enqueue(exception);
        await server.StartAsync(Cancellation);
        Socket client = Client(server);
        for (int i = 0; i < 5; i++)
        {
            await SendAsync(client, "bad");
            await SendAsync(client, "good");
            Assert.Equal("good", await ReceiveAsync(client));
        }
        await SoonAsync(() => failures.Count == 5);
        Assert.All(failures, failure => Assert.Equal("bad datagram", Assert.IsType<FormatException>(failure).Message));
    }

    [Fact(Timeout = Limit)]
    public async Task A_datagram_that_is_not_verified_gets_no_handler()
    {
        var handled = new ConcurrentQueue<int>();
        await using var server = new UdpHooks((datagram, stop) =>
        {
            handled.Enqueue(datagram.Data.Length);
            return datagram.ReplyAsync(datagram.Data, stop).AsTask();
        }, Concurrency.Threads());
        server.Check = datagram => datagram.Data.Span[0] == (byte)'y';
        await server.StartAsync(Cancellation);
        Socket client = Client(server);
        await SendAsync(client, "no");
        await SendAsync(client, "yes");
        Assert.Equal("yes", await ReceiveAsync(client));
        Assert.Equal([3], handled);
        Assert.Equal(2, server.Statistics.Accepted);
    }

    [Theory(Timeout = Limit), MemberData(nameof(KindsAndModels))]
    public async Task A_stop_lets_handlers_reply(bool unix, Model model)
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using DatagramServer server = Make(unix, model, async (datagram, stop) =>
        {
            entered.SetResult();
            await go.Task;
            Assert.True(stop.IsCancellationRequested);
            await datagram.ReplyAsync("at last"u8.ToArray(), CancellationToken.None);
        });
        await server.StartAsync(Cancellation);
        Socket client = Client(server);
        await SendAsync(client, "x");
        await entered.Task.WaitAsync(_patience, Cancellation);
        Task stopped = server.StopAsync();
        Assert.False(stopped.IsCompleted);
        go.SetResult();
        Assert.Equal("at last", await ReceiveAsync(client));
        await stopped.WaitAsync(_patience, Cancellation);
        Assert.True(server.Completion.IsCompletedSuccessfully);
    }

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_reply_after_the_server_has_ended_fails_with_a_sentence(Model model)
    {
        var got = new TaskCompletionSource<Datagram>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using DatagramServer server = Make(unix: false, model, (datagram, _) =>
        {
            got.SetResult(datagram);
            return Task.CompletedTask;
        });
        await server.StartAsync(Cancellation);
        await SendAsync(Client(server), "x");
        Datagram late = await got.Task.WaitAsync(_patience, Cancellation);
        await server.StopAsync().WaitAsync(_patience, Cancellation);
        ConnectionEndedException exception = await Assert.ThrowsAsync<ConnectionEndedException>(async () => await late.ReplyAsync("late"u8.ToArray(), Cancellation));
        Assert.Equal(ConnectionEndReason.Stopped, exception.Reason);
        Assert.Contains("stopped", exception.Message, StringComparison.Ordinal);
    }

    [Theory(Timeout = Limit), MemberData(nameof(KindsAndModels))]
    public async Task A_reply_that_is_too_long_fails_with_a_sentence(bool unix, Model model)
    {
        await using DatagramServer server = Make(unix, model, async (datagram, stop) =>
        {
            SystemCallException exception = await Assert.ThrowsAnyAsync<SystemCallException>(async () => await datagram.ReplyAsync(new byte[64 * 1024 * 1024], stop));
            await datagram.ReplyAsync(Encoding.UTF8.GetBytes($"{exception.Errno}: {exception.Message}"), stop);
        });
        await server.StartAsync(Cancellation);
        Socket client = Client(server);
        await SendAsync(client, "x");
        Assert.Equal($"MessageSize: sendto on {client.LocalEndPoint} failed: Message too long (errno 90).", await ReceiveAsync(client));
    }

    [Fact(Timeout = Limit)]
    public async Task A_reply_to_a_unix_sender_that_is_gone_fails_and_harms_nobody()
    {
        var failure = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new UnixHooks(ServerPath, async (datagram, stop) =>
        {
            await go.Task;
            await datagram.ReplyAsync(datagram.Data, stop);
        });
        server.Error = (_, exception) => failure.TrySetResult(exception);
        await server.StartAsync(Cancellation);
        Socket gone = Client(server);
        await SendAsync(gone, "x");
        gone.Dispose();
        go.SetResult();
        Exception exception = await failure.Task.WaitAsync(_patience, Cancellation);
        Assert.Contains(Assert.IsType<SystemCallException>(exception).Errno, new[] { Errno.ConnectionRefused, Errno.NoEntry });
        Socket client = Client(server);
        await SendAsync(client, "y");
        Assert.Equal("y", await ReceiveAsync(client));
    }

    [Fact(Timeout = Limit)]
    public async Task A_unix_receiver_whose_queue_is_full_is_waited_for_without_burning_time()
    {
        const string OnProcessor = "/proc/thread-self/schedstat";
        Assert.SkipUnless(File.Exists(OnProcessor), "The kernel does not count the time of a thread.");
        var waited = new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using DatagramServer server = Make(unix: true, Model.Threads, async (datagram, stop) =>
        {
            TimeSpan before = Spent();
            using (var time = new CancellationTokenSource(TimeSpan.FromSeconds(1)))
            {
                await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await datagram.ReplyAsync("never"u8.ToArray(), time.Token));
            }
            waited.SetResult(Spent() - before);
            await datagram.ReplyAsync("reply"u8.ToArray(), stop);
        });
        await server.StartAsync(Cancellation);
        // Not connected, so that others may send to it.
        using var client = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        var address = new UnixDomainSocketEndPoint(Path.Combine(_directory.FullName, "slow.sock"));
        client.Bind(address);
        int queued = Fill(address);
        client.SendTo("x"u8.ToArray(), server.LocalEndPoint!);
        TimeSpan burnt = await waited.Task.WaitAsync(_patience, Cancellation);
        Assert.True(burnt < TimeSpan.FromMilliseconds(200), $"A wait of 1 s took {burnt} of the processor.");
        for (int i = 0; i < queued; i++)
        {
            Assert.Equal("filling", await ReceiveAsync(client));
        }
        Assert.Equal("reply", await ReceiveAsync(client));

        static TimeSpan Spent() => TimeSpan.FromMicroseconds(long.Parse(File.ReadAllText(OnProcessor).Split(' ')[0], CultureInfo.InvariantCulture) / 1000);
    }

    [Fact(Timeout = Limit)]
    public async Task The_socket_file_is_deleted_at_the_stop_unless_another_server_has_put_its_own_there()
    {
        await using (var server = new UnixDatagramServer($"unix:{ServerPath}", (_, _) => Task.CompletedTask, Concurrency.Threads(), Quiet(null)))
        {
            server.Bind();
            Assert.True(File.Exists(ServerPath));
            await server.StartAsync(Cancellation);
            await server.StopAsync();
            Assert.False(File.Exists(ServerPath));
        }
        await using var first = new UnixDatagramServer($"unix:{ServerPath}", (_, _) => Task.CompletedTask, Concurrency.Threads(), Quiet(null));
        await first.StartAsync(Cancellation);
        File.Delete(ServerPath);
        await using var second = new UnixDatagramServer($"unix:{ServerPath}", (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask(), Concurrency.Threads(), Quiet(null));
        await second.StartAsync(Cancellation);
        await first.StopAsync();
        Socket client = Client(second);
        await SendAsync(client, "still here");
        Assert.Equal("still here", await ReceiveAsync(client));
    }

    [Theory(Timeout = Limit), MemberData(nameof(KindsAndModels))]
    public async Task One_request_is_handled_or_waited_for_in_vain(bool unix, Model model)
    {
        await using DatagramServer server = Make(unix, model, (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask(),
            new ServerOptions { RequestTimeout = TimeSpan.FromMilliseconds(20) });
        Assert.False(await server.HandleRequestAsync(Cancellation).WaitAsync(_patience, Cancellation));
        Socket client = Client(server);
        await SendAsync(client, "first");
        await SendAsync(client, "second");
        Assert.True(await server.HandleRequestAsync(Cancellation).WaitAsync(_patience, Cancellation));
        Assert.Equal("first", await ReceiveAsync(client));
        Assert.Equal(1, server.Statistics.Accepted);
        Assert.True(await server.HandleRequestAsync(Cancellation).WaitAsync(_patience, Cancellation));
        Assert.Equal("second", await ReceiveAsync(client));
        Assert.False(await server.HandleRequestAsync(Cancellation).WaitAsync(_patience, Cancellation));
    }

    [Fact]
    public void An_address_of_the_wrong_kind_is_refused()
    {
        Assert.Contains("UnixDatagramServer", Assert.Throws<ArgumentException>(() => new UdpServer("unix:/tmp/x", (_, _) => Task.CompletedTask)).Message, StringComparison.Ordinal);
        Assert.Contains("UdpServer", Assert.Throws<ArgumentException>(() => new UnixDatagramServer("127.0.0.1:0", (_, _) => Task.CompletedTask)).Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_handler_class_is_made_anew_for_each_datagram()
    {
        await using var server = new UdpServer<CountingHandler>("127.0.0.1:0", options: Quiet(null));
        await server.StartAsync(Cancellation);
        Socket client = Client(server);
        for (int i = 0; i < 3; i++)
        {
            await SendAsync(client, "x");
            Assert.Equal("setup handle 1", await ReceiveAsync(client));
        }
    }

    /// <summary>Fills a receiver's queue, by many senders, of whom none runs out of room of its own.</summary>
    private static int Fill(EndPoint address)
    {
        for (int sent = 0; ; sent++)
        {
            using var sender = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
            try
            {
                sender.SendTo("filling"u8, address);
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.WouldBlock)
            {
                return sent;
            }
        }
    }

    private string ServerPath => Path.Combine(_directory.FullName, "server.sock");

    private static ServerOptions Quiet(ServerOptions? options) => (options ?? new ServerOptions()) with { LoggerFactory = NullLoggerFactory.Instance };

    private DatagramServer Make(bool unix, Model model, Func<Datagram, CancellationToken, Task> handler, ServerOptions? options = null) => unix
        ? new UnixDatagramServer($"unix:{ServerPath}", handler, model.Make(), Quiet(options))
        : new UdpServer("127.0.0.1:0", handler, model.Make(), Quiet(options));

    private Socket Client(DatagramServer server, bool named = true)
    {
        EndPoint address = server.LocalEndPoint!;
        var client = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Unspecified);
        _clients.Add(client);
        if (named && address is UnixDomainSocketEndPoint)
        {
            client.Bind(new UnixDomainSocketEndPoint(Path.Combine(_directory.FullName, $"client{Interlocked.Increment(ref _lastClient)}.sock")));
        }
        client.Connect(address);
        return client;
    }

    private static async Task SendAsync(Socket client, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Assert.Equal(bytes.Length, await client.SendAsync(bytes.AsMemory(), Cancellation).AsTask().WaitAsync(_patience, Cancellation));
    }

    private static async Task<string> ReceiveAsync(Socket client)
    {
        var bytes = new byte[65_536];
        int count = await client.ReceiveAsync(bytes.AsMemory(), Cancellation).AsTask().WaitAsync(_patience, Cancellation);
        return Encoding.UTF8.GetString(bytes, 0, count);
    }

    private static async Task SoonAsync(Func<bool> condition)
    {
        long end = Environment.TickCount64 + (long)_patience.TotalMilliseconds;
        while (!condition())
        {
            Assert.True(Environment.TickCount64 < end, "In vain.");
            await Task.Yield();
        }
    }

    private sealed class UdpHooks(Func<Datagram, CancellationToken, Task> handler, Concurrency model)
        : UdpServer("127.0.0.1:0", handler, model, Quiet(null))
    {
        internal Action<Datagram, Exception> Error { get; set; } = (_, _) => { };

        internal Func<Datagram, bool> Check { get; set; } = _ => true;

        protected override bool Verify(Datagram request) => Check(request);

        protected override void OnError(Datagram request, Exception exception) => Error(request, exception);
    }

    private sealed class UnixHooks(string path, Func<Datagram, CancellationToken, Task> handler)
        : UnixDatagramServer($"unix:{path}", handler, null, Quiet(null))
    {
        internal Action<Datagram, Exception> Error { get; set; } = (_, _) => { };

        protected override void OnError(Datagram request, Exception exception) => Error(request, exception);
    }

    internal sealed class CountingHandler : DatagramRequestHandler
    {
        private string _steps = "";
        private int _handled;

        protected override Task SetupAsync(CancellationToken stop)
        {
            _steps = "setup";
            return Task.CompletedTask;
        }

        protected override Task HandleAsync(CancellationToken stop) =>
            ReplyAsync(Encoding.UTF8.GetBytes($"{_steps} handle {++_handled}"), stop).AsTask();
    }
}
