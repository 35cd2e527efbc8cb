using System.Diagnostics;
using System.Net;
using System.Text;
using CsCheck;
using Switchboard.Polling;
using static Switchboard.Servers.Tests.Sessions;

namespace Switchboard.Servers.Tests;

/// <summary>All datagrams of a peer go to one handler, in order, until an end that has a reason.</summary>
public sealed class DatagramSessionTests
{
    private const int Peers = 5;

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task All_datagrams_of_a_peer_go_to_one_handler_in_order(Model model)
    {
        await using UdpSessionServer server = Serve(model, CountAsync);
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        for (int i = 1; i <= 40; i++)
        {
            await caller.SendAsync($"d{i}");
        }
        for (int i = 1; i <= 40; i++)
        {
            Assert.Equal($"1 {i} d{i}", await caller.ReceiveAsync());
        }
        DatagramSession session = Assert.Single(server.Sessions);
        Assert.Equal(caller.LocalEndPoint, session.RemoteEndPoint);
        Assert.Equal(server.LocalEndPoint, session.LocalEndPoint);
        Assert.Equal((40, 0, null), (session.Received, session.Dropped, session.EndReason));
        Assert.Equal((1, 1, 0), (server.Statistics.Accepted, server.Statistics.Open, server.Statistics.Dropped));
        await server.StopAsync().InTime();
        Assert.Equal(ConnectionEndReason.Stopped, session.EndReason);
        Assert.Equal(1, server.Statistics.EndedBy[ConnectionEndReason.Stopped]);
    }

    [Theory(Timeout = 2 * Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task Many_peers_interleaved_each_have_their_own_order(Model model)
    {
        await using UdpSessionServer server = Serve(model, CountAsync);
        await server.StartAsync().InTime();
        DatagramCaller[] callers = [.. Enumerable.Range(0, Peers).Select(_ => new DatagramCaller(server))];
        string?[] sessions = new string?[Peers];
        int[] counts = new int[Peers];
        await Gen.Int[0, Peers - 1].Array[1, 30].SampleAsync(async order =>
        {
            foreach (int peer in order)
            {
                await callers[peer].SendAsync($"of {peer}");
            }
            foreach (int peer in order)
            {
                string[] answer = (await callers[peer].ReceiveAsync()).Split(' ', 3);
                Assert.Equal($"of {peer}", answer[2]);
                Assert.Equal($"{++counts[peer]}", answer[1]);
                Assert.Equal(sessions[peer] ??= answer[0], answer[0]);
            }
        }, iter: 60, threads: 1);
        Assert.Equal(sessions.Distinct().Count(), sessions.Length);
        Array.ForEach(callers, static caller => caller.Dispose());
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_silent_peer_ends_its_session_and_its_next_datagram_begins_another(Model model)
    {
        var silence = TimeSpan.FromMilliseconds(100);
        await using UdpSessionServer server = Serve(model, async (session, stop) =>
        {
            long last = Stopwatch.GetTimestamp();
            await foreach (Datagram datagram in session.ReceiveAllAsync(stop))
            {
                last = Stopwatch.GetTimestamp();
                await SayAsync(session, $"{session.Id} {Text(datagram)}");
            }
            Assert.InRange(Stopwatch.GetElapsedTime(last), silence / 2, Deadline.Time);
            await SayAsync(session, $"{session.EndReason}");
        }, new DatagramSessionOptions { Idle = silence });
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        Assert.Equal("1 a", await AskAsync(caller, "a"));
        Assert.Equal("Idle", await caller.ReceiveAsync());
        Assert.Equal("2 b", await AskAsync(caller, "b"));
        Assert.Equal("Idle", await caller.ReceiveAsync());
        await EndedAsync(server, ConnectionEndReason.Idle, 2);
        Assert.Equal(2, server.Statistics.Accepted);
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_handler_that_returns_or_throws_ends_its_session_only(Model model)
    {
        var log = new RecordingLog();
        await using UdpSessionServer server = Serve(model, async (session, stop) =>
        {
            await foreach (Datagram datagram in session.ReceiveAllAsync(stop))
            {
                switch (Text(datagram))
                {
                    case "return":
                        return;
                    case "throw":
                        throw new FormatException("bad");
                    default:
                        await SayAsync(session, $"{session.Id} {Text(datagram)}");
                        break;
                }
            }
        }, log: log);
        await server.StartAsync().InTime();
        using var other = new DatagramCaller(server);
        using var caller = new DatagramCaller(server);
        Assert.Equal("1 first", await AskAsync(other, "first"));
        Assert.Equal("2 a", await AskAsync(caller, "a"));
        await caller.SendAsync("return");
        await Deadline.UntilAsync(() => server.Statistics.EndedBy.ContainsKey(ConnectionEndReason.HandlerReturned), "the handler returned");
        Assert.Equal("3 b", await AskAsync(caller, "b"));
        await caller.SendAsync("throw");
        LogRecord failed = await log.WaitAsync(record => record.Id == 5);
        Assert.Contains($"session 3 of {caller.LocalEndPoint}", failed.Text, StringComparison.Ordinal);
        Assert.IsType<FormatException>(failed.Exception);
        await Deadline.UntilAsync(() => server.Statistics.EndedBy.ContainsKey(ConnectionEndReason.HandlerFailed), "the handler failed");
        Assert.Equal("4 c", await AskAsync(caller, "c"));
        Assert.Equal("1 still", await AskAsync(other, "still"));
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_stop_ends_every_wait_and_lets_handlers_have_the_last_word(Model model)
    {
        await using UdpSessionServer server = Serve(model, async (session, stop) =>
        {
            Datagram first = (await session.ReceiveAsync(stop))!;
            await SayAsync(session, "ready");
            if (Text(first) == "token")
            {
                await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await session.ReceiveAsync(stop));
            }
            else
            {
                Assert.Null(await session.ReceiveAsync(CancellationToken.None));
            }
            await SayAsync(session, $"{session.EndReason}");
        });
        await server.StartAsync().InTime();
        DatagramCaller[] callers = [.. Enumerable.Range(0, 20).Select(_ => new DatagramCaller(server))];
        for (int i = 0; i < callers.Length; i++)
        {
            Assert.Equal("ready", await AskAsync(callers[i], i % 2 == 0 ? "token" : "null"));
        }
        await server.StopAsync().InTime();
        foreach (DatagramCaller caller in callers)
        {
            Assert.Equal("Stopped", await caller.ReceiveAsync());
            caller.Dispose();
        }
        Assert.Equal(20, server.Statistics.EndedBy[ConnectionEndReason.Stopped]);
        Assert.Equal(0, server.Statistics.Open);
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_handler_beyond_the_grace_time_can_t_send_any_more(Model model)
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var failure = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using UdpSessionServer server = Serve(model, async (session, _) =>
        {
            await SayAsync(session, "in");
            await go.Task.ConfigureAwait(false);
            failure.SetResult((await Record.ExceptionAsync(async () => await SayAsync(session, "late")))!);
        });
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        Assert.Equal("in", await AskAsync(caller, "x"));
        DatagramSession session = Assert.Single(server.Sessions);
        Task stopped = server.StopAsync(TimeSpan.Zero);
        await Deadline.UntilAsync(() => session.SendAsync("probe"u8.ToArray()).IsFaulted, "the session was cut");
        go.SetResult();
        Assert.IsType<ConnectionEndedException>(await failure.Task.InTime());
        await stopped.InTime();
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_cancelled_receive_takes_no_datagram(Model model)
    {
        await using UdpSessionServer server = Serve(model, async (session, stop) =>
        {
            await session.ReceiveAsync(stop);
            using (var cancel = new CancellationTokenSource())
            {
                ValueTask<Datagram?> pending = session.ReceiveAsync(cancel.Token);
                Assert.Contains("one receive at a time", Assert.Throws<InvalidOperationException>(() => { _ = session.ReceiveAsync(stop).AsTask(); }).Message, StringComparison.Ordinal);
                await cancel.CancelAsync();
                Assert.Equal(cancel.Token, (await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await pending)).CancellationToken);
                await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await session.ReceiveAsync(cancel.Token));
            }
            await SayAsync(session, "cancelled");
            await SayAsync(session, Text((await session.ReceiveAsync(stop))!));
        });
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        Assert.Equal("cancelled", await AskAsync(caller, "a"));
        Assert.Equal("b", await AskAsync(caller, "b"));
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task A_session_that_is_ended_from_outside_says_so(Model model)
    {
        await using UdpSessionServer server = Serve(model, async (session, stop) =>
        {
            await CountAsync(session, stop);
            await SayAsync(session, $"{session.EndReason}");
        });
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        Assert.Equal("1 1 a", await AskAsync(caller, "a"));
        Assert.Single(server.Sessions).End();
        Assert.Equal("Aborted", await caller.ReceiveAsync());
        Assert.Equal("2 1 b", await AskAsync(caller, "b"));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.OneLoop)]
    [InlineData(Model.ThreeLoops)]
    [InlineData(Model.Threads)]
    public async Task Awaits_come_back_to_the_session_s_thread(Model model)
    {
        await using UdpSessionServer server = Serve(model, async (session, stop) =>
        {
            int thread = Environment.CurrentManagedThreadId;
            await foreach (Datagram datagram in session.ReceiveAllAsync(stop))
            {
                Assert.Equal(thread, Environment.CurrentManagedThreadId);
                await Task.Run(static () => { }, stop);
                Assert.Equal(thread, Environment.CurrentManagedThreadId);
                await SayAsync(session, "same");
            }
        });
        await server.StartAsync().InTime();
        // More than one loop keeps for itself.
        DatagramCaller[] callers = [.. Enumerable.Range(0, 30).Select(_ => new DatagramCaller(server))];
        for (int round = 0; round < 3; round++)
        {
            foreach (DatagramCaller caller in callers)
            {
                Assert.Equal("same", await AskAsync(caller, "x"));
            }
        }
        Array.ForEach(callers, static caller => caller.Dispose());
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.OneLoop)]
    [InlineData(Model.ThreeLoops)]
    public async Task Each_loop_receives_for_itself_where_the_port_is_shared(Model model)
    {
        await using UdpSessionServer server = Serve(model, CountAsync, socket: new ListenerOptions { ReusePort = true });
        await server.StartAsync().InTime();
        // All at once: a port that is free again may be the next one's, who would then find a session.
        DatagramCaller[] callers = [.. Enumerable.Range(0, 20).Select(_ => new DatagramCaller(server))];
        foreach (DatagramCaller caller in callers)
        {
            await caller.SendAsync("a");
            await caller.SendAsync("b");
            Assert.EndsWith(" 1 a", await caller.ReceiveAsync(), StringComparison.Ordinal);
            Assert.EndsWith(" 2 b", await caller.ReceiveAsync(), StringComparison.Ordinal);
        }
        Assert.Equal(20, server.Statistics.Accepted);
        Array.ForEach(callers, static caller => caller.Dispose());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Servers_of_a_group_share_the_loop()
    {
        Concurrency loop = Concurrency.EventLoop();
        int handlers = 0;
        await using var sessions = new UdpSessionServer("127.0.0.1:0", (session, stop) =>
        {
            handlers++;
            return CountAsync(session, stop);
        }, loop);
        await using var plain = new UdpServer("127.0.0.1:0", (datagram, stop) => datagram.ReplyAsync(Encoding.UTF8.GetBytes($"{handlers}"), stop).AsTask(), loop);
        await using var group = new ServerGroup(sessions, plain);
        await group.StartAsync().InTime();
        using var first = new DatagramCaller(sessions);
        using var second = new DatagramCaller(plain);
        Assert.Equal("1 1 a", await AskAsync(first, "a"));
        Assert.Equal("1", await AskAsync(second, "?"));
        await group.StopAsync().InTime();
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Before_its_handler_runs_a_session_can_t_be_received_from()
    {
        await using var server = new EarlyServer();
        await server.StartAsync().InTime();
        using var caller = new DatagramCaller(server);
        await caller.SendAsync("x");
        Assert.Contains("Receive in the handler", Assert.IsType<InvalidOperationException>(await server.Failure.Task.InTime()).Message, StringComparison.Ordinal);
    }

    private sealed class EarlyServer() : UdpSessionServer("127.0.0.1:0", CountAsync, Concurrency.EventLoop())
    {
        internal TaskCompletionSource<Exception?> Failure { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override bool Verify(DatagramSession request)
        {
            Failure.SetResult(Record.Exception(() => { _ = request.ReceiveAsync().AsTask(); }));
            return false;
        }
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_single_request_is_refused()
    {
        await using UdpSessionServer server = Serve(Model.OneLoop, CountAsync);
        Assert.Contains("Use StartAsync", (await Assert.ThrowsAsync<InvalidOperationException>(() => server.HandleRequestAsync())).Message, StringComparison.Ordinal);
    }

    [Theory(Timeout = Deadline.Milliseconds), MemberData(nameof(Sessions.Models), MemberType = typeof(Sessions))]
    public async Task Python_speaks_with_its_session(Model model)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/python3"), "There is no /usr/bin/python3 here.");
        await using UdpSessionServer server = Serve(model, CountAsync);
        await server.StartAsync().InTime();
        const string Program = """
            import socket, sys
            ends = []
            for _ in range(3):
                end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                end.settimeout(20)
                end.connect(("127.0.0.1", int(sys.argv[1])))
                ends.append(end)
            for turn in range(1, 21):
                for end in ends:
                    end.send(b"turn %d" % turn)
                for end in ends:
                    print(end.recv(100).decode().split(" ", 1)[1])
            """;
        using Process python = Process.Start(new ProcessStartInfo("/usr/bin/python3", ["-c", Program, $"{((IPEndPoint)server.LocalEndPoint!).Port}"]) { RedirectStandardOutput = true })!;
        string said = await python.StandardOutput.ReadToEndAsync().InTime();
        await python.WaitForExitAsync().InTime();
        Assert.Equal(0, python.ExitCode);
        Assert.Equal(Enumerable.Range(1, 20).SelectMany(turn => Enumerable.Repeat($"{turn} turn {turn}", 3)), said.TrimEnd().Split('\n'));
        Assert.Equal(3, server.Statistics.Accepted);
    }
}
