using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;

namespace Switchboard.Servers.Tests;

/// <summary>Each system call of a short session fails once, in each way that it may. The server lives on, tells of it,
/// serves the next caller and leaves nothing open.</summary>
[Collection(nameof(Alone))]
public sealed partial class FailingCallsTests
{
    private const int Limit = 600_000;

    // What may come of each call on a socket that is sound. EINTR and EAGAIN are no failures: nobody may notice them.
    // A close is not among them: what strace has fail is not done, so the descriptor would stay open.
    private static readonly Dictionary<string, string[]> _errors = new()
    {
        ["socket"] = ["EMFILE", "ENOBUFS"],
        ["bind"] = ["ENOMEM"],
        ["listen"] = ["EADDRINUSE"],
        ["eventfd2"] = ["EMFILE"],
        ["epoll_create1"] = ["EMFILE"],
        ["epoll_ctl"] = ["ENOMEM", "ENOSPC"],
        ["epoll_wait"] = ["EINTR"],
        ["epoll_pwait"] = ["EINTR"],
        ["accept4"] = ["EMFILE", "ENOMEM", "ECONNABORTED", "EINTR"],
        ["recvfrom"] = ["ECONNRESET", "ENOMEM", "EAGAIN", "EINTR"],
        ["sendto"] = ["EPIPE", "ENOBUFS", "EAGAIN", "EINTR"],
        ["shutdown"] = ["ENOTCONN"],
        ["setsockopt"] = ["ENOMEM"],
        ["getsockname"] = ["ENOBUFS"],
        ["ioctl"] = ["EINVAL"],
    };

    [Fact(Timeout = Limit)]
    public async Task A_call_that_fails_while_a_caller_is_served_harms_that_caller_only_and_is_told()
    {
        var log = new RecordingLog();
        await using TcpServer server = Make("fails-served", log);
        await server.StartAsync().InTime();
        int thread = Assert.Single(LoopThreads.Ids("fails-served"));
        await RunAsync(["epoll_ctl", "accept4", "recvfrom", "sendto", "shutdown"], async fault =>
        {
            string[] before = Descriptors.OfKernel();
            int told = log.Records.Length;
            await using FailingCalls calls = FailingCalls.Begin(thread, _errors.Keys, fault);
            string trouble = await TalkAsync(server);
            string[] trace = await calls.EndAsync();
            // What became of the caller is told when its call has ended, a little after the caller sees it.
            await Deadline.UntilAsync(() => server.Statistics.Open == 0, "the call ends");
            AssertTold(fault, trouble, log.Records[told..]);
            Assert.Equal("", await TalkAsync(server));
            Assert.False(server.Completion.IsCompleted, "The server has ended.");
            await Deadline.UntilAsync(() => server.Statistics.Open == 0 && !Descriptors.OfKernel().Except(before).Any(), $"nothing stays open after {fault}");
            return trace;
        });
    }

    [Fact(Timeout = Limit)]
    public Task A_call_that_fails_between_the_first_turn_of_a_loop_and_its_last_keeps_nobody_from_being_served() =>
        RunAsync(["epoll_ctl", "accept4"], async fault =>
        {
            string[] before = Descriptors.OfKernel();
            FailingCalls? calls = null;
            // Between the start of the threads and the first thing that they do for the server, it says that it listens.
            var log = new RecordingLog();
            log.OnRecord = record => calls ??= record.Id == 1 ? FailingCalls.Begin(ThreadOfLoop("fails-looped"), _errors.Keys, fault) : null;
            string[] troubles;
            await using (TcpServer server = Make("fails-looped", log))
            {
                await server.StartAsync().InTime();
                troubles = [await TalkAsync(server), await TalkAsync(server)];
            }
            await using FailingCalls used = calls!;
            string[] trace = await calls!.EndAsync();
            Assert.Contains("", troubles);
            string trouble = string.Concat(troubles);
            AssertTold(fault, trouble, log.Records);
            await Deadline.UntilAsync(() => LoopThreads.Ids("fails-looped").Length == 0 && !Descriptors.OfKernel().Except(before).Any(), $"nothing stays open after {fault}");
            return trace;
        });

    [Fact(Timeout = Limit)]
    public Task A_call_that_fails_while_a_server_is_made_and_started_is_told_and_leaves_nothing_open() =>
        RunAsync(["socket", "bind", "listen", "eventfd2", "epoll_create1"], async fault =>
        {
            string[] before = Descriptors.OfKernel();
            using var traced = new ManualResetEventSlim();
            var known = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            var started = new TaskCompletionSource<TcpServer>(TaskCreationOptions.RunContinuationsAsynchronously);
            var log = new RecordingLog();
            var starter = new Thread(() =>
            {
                known.SetResult(int.Parse(Path.GetFileName(new FileInfo("/proc/thread-self").LinkTarget!), CultureInfo.InvariantCulture));
                traced.Wait();
                TcpServer? server = null;
                try
                {
                    server = Make("fails-started", log);
                    server.StartAsync().GetAwaiter().GetResult();
                    started.SetResult(server);
                }
                catch (Exception exception)
                {
                    server?.DisposeAsync().AsTask().Wait();
                    started.SetException(exception);
                }
            });
            starter.Start();
            await using FailingCalls calls = FailingCalls.Begin(await known.Task.InTime(), _errors.Keys, fault);
            traced.Set();
            string trouble = "";
            try
            {
                await using TcpServer server = await started.Task.InTime();
                trouble = await TalkAsync(server);
            }
            catch (Linux.SystemCallException exception)
            {
                trouble = exception.Message;
                log.Log(LogLevel.Error, default, trouble, exception, (text, _) => text);
            }
            Deadline.Join(starter);
            string[] trace = await calls.EndAsync();
            AssertTold(fault, trouble, log.Records);
            await Deadline.UntilAsync(() => LoopThreads.Ids("fails-started").Length == 0 && !Descriptors.OfKernel().Except(before).Any(), $"nothing stays open after {fault}");
            return trace;
        });

    private static int ThreadOfLoop(string name)
    {
        int[] ids = [];
        Assert.True(SpinWait.SpinUntil(() => (ids = LoopThreads.Ids(name)).Length == 1, Deadline.Time), "The loop has no thread.");
        return ids[0];
    }

    /// <summary>Runs a session as it is, and then once for each of its calls and each way in which that may fail.</summary>
    private static async Task RunAsync(string[] expected, Func<(string Call, int Place, string Error)?, Task<string[]>> session)
    {
        // What a process does once only is done now.
        await using (TcpServer server = Make("fails-first", new RecordingLog()))
        {
            await server.StartAsync().InTime();
            Assert.Equal("", await TalkAsync(server));
        }
        HashSet<string> used = [.. (await session(null)).Select(line => CallName().Match(line).Groups[1].Value).Intersect(_errors.Keys)];
        Assert.Empty(expected.Except(used));
        foreach (string call in used)
        {
            foreach (string error in _errors[call])
            {
                // How many there are depends a little on how the bytes come, so it ends with the first that has no such call.
                int place = 1;
                while ((await session((call, place, error))).Any(line => line.Contains("INJECTED", StringComparison.Ordinal)))
                {
                    place++;
                }
                Assert.True(place > 1 || !expected.Contains(call), $"No {call} failed with {error}.");
            }
        }
    }

    private static TcpServer Make(string name, RecordingLog log) => new("127.0.0.1:0", async (connection, stop) =>
    {
        connection.SetNoDelay(false);
        Assert.NotNull(connection.LocalEndPoint);
        ReadOnlyMemory<byte> line = await connection.ReadMessageAsync(Framing.Line, stop) ?? default;
        await connection.WriteAsync(line, stop);
        Linux.SocketCalls.SetOption(((SocketTransport)connection.Transport).Handle.Number, Linux.SocketCallOption.SendBuffer, 1);
        await connection.ReadAsync(new byte[1], stop);
        // More than the kernel takes at once, and what comes after is left unread.
        await connection.WriteAsync(new byte[60_000], stop);
    }, Concurrency.EventLoop(), new ServerOptions { Name = name, LoggerFactory = log });

    /// <summary>A whole session.</summary>
    /// <returns>What went wrong; empty if nothing did.</returns>
    private static async Task<string> TalkAsync(SocketServer server)
    {
        try
        {
            using Caller caller = await Caller.ConnectAsync(server, receiveBuffer: 4096);
            await caller.SendAsync("hello\n");
            if (await caller.ReadTextToEndAsync(5) is var hello && hello != "hello")
            {
                return $"The answer was \"{hello}\".";
            }
            await caller.SendAsync("!unread");
            int rest = (await caller.ReadTextToEndAsync(60_001)).Length;
            return rest == 60_000 ? "" : $"{rest} bytes came.";
        }
        catch (SocketException exception)
        {
            return exception.Message;
        }
    }

    private static void AssertTold((string Call, int Place, string Error)? fault, string trouble, LogRecord[] log)
    {
        string all = $"{fault}: {trouble}\n{string.Join('\n', log.Select(record => $"{record.Level} {record.Text} {record.Exception?.Message}"))}";
        if (fault is not { Error: not "EINTR" and not "EAGAIN" } failed)
        {
            Assert.True(trouble.Length == 0, all);
            Assert.DoesNotContain(log, record => record.Level >= LogLevel.Warning);
        }
        else if (trouble.Length > 0)
        {
            // The library's names are those of the C library; an address in use has a sentence of its own.
            string call = failed.Call switch { "recvfrom" => "recv", "sendto" => "send", "eventfd2" => "eventfd", "listen" => "is in use", _ => failed.Call };
            Assert.True(log.Any(record => $"{record.Text} {record.Exception?.Message}".Contains(call, StringComparison.Ordinal)), all);
        }
    }

    [GeneratedRegex(@"^(\w+)\(")]
    private static partial Regex CallName();
}
