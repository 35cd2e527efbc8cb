using System.Net;
using System.Net.Sockets;
using System.Text;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The lessons of multiplexing and port reuse, each a real process.</summary>
public sealed class LessonMultiplexersTests
{
    private const int Limit = 90_000;

    [Fact(Timeout = Limit)]
    public async Task Without_a_name_the_lessons_are_listed_each_with_a_sentence()
    {
        using ChildProgram lesson = ChildProgram.StartAssembly("Lesson");
        (int exitCode, string output, string error) = await lesson.WaitForEndAsync();
        Assert.Equal((0, ""), (exitCode, error));
        Dictionary<string, string> sentences = output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', 2, StringSplitOptions.TrimEntries)).ToDictionary(parts => parts[0], parts => parts[1]);
        Assert.Superset(
            new HashSet<string> { "multiplexers", "select-terminal", "select-server", "select-client", "port-reuse", "by-hand" },
            sentences.Keys.ToHashSet());
        Assert.All(sentences.Values, sentence => Assert.Matches(@"^[A-Z].*[.\]]$", sentence));
    }

    [Fact(Timeout = Limit)]
    public async Task An_unknown_name_is_an_error_that_names_the_lessons()
    {
        using ChildProgram lesson = ChildProgram.StartAssembly("Lesson", "nonsense");
        (int exitCode, string output, string error) = await lesson.WaitForEndAsync();
        Assert.Equal((2, ""), (exitCode, output));
        Assert.StartsWith("There is no lesson nonsense. The lessons are multiplexers, select-terminal, ", error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Each_multiplexer_gives_the_same_answer_and_the_default_is_the_best()
    {
        using ChildProgram lesson = ChildProgram.StartAssembly("Lesson", "multiplexers");
        (int exitCode, string output, string error) = await lesson.WaitForEndAsync();
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal(
            """
            three lists: 0 readable, 0 writable, 0 in error
            three lists: 1 readable, 0 writable, 0 in error
            select: listener Readable, pipe to read Readable, pipe to write Writable
            select, with a regular file: file Readable, listener Readable, pipe to read Readable, pipe to write Writable
            poll: listener Readable, pipe to read Readable, pipe to write Writable
            poll, with a regular file: file Readable, listener Readable, pipe to read Readable, pipe to write Writable
            epoll: listener Readable, pipe to read Readable, pipe to write Writable
            epoll, with a regular file: refused with NotPermitted
            the best here: epoll

            """,
            output);
    }

    [Fact(Timeout = Limit)]
    public async Task Select_terminal_echoes_the_lines_of_a_pipe_until_it_ends()
    {
        using ChildProgram lesson = ChildProgram.StartAssembly("Lesson", "select-terminal");
        lesson.Write("hello\n");
        Assert.Equal("select get stdin hello", await lesson.WaitForLineAsync());
        // Two lines and the beginning of a third at once.
        lesson.Write("一\ntwo\nthr");
        await lesson.WaitForLineAsync("select get stdin two");
        lesson.Write("ee");
        lesson.CloseInput();
        (int exitCode, string output, string error) = await lesson.WaitForEndAsync();
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal("select get stdin hello\n\nselect get stdin 一\n\nselect get stdin two\n\nselect get stdin three\n", output);
    }

    [Fact(Timeout = Limit)]
    public async Task Select_terminal_reads_a_file_to_its_end()
    {
        string file = Path.Combine(Directory.CreateTempSubdirectory("switchboard-").FullName, "input");
        await File.WriteAllTextAsync(file, "first\n\nlast\n", TestContext.Current.CancellationToken);
        using ChildProgram lesson = ChildProgram.StartAssemblyInShell($"exec \"$@\" < {file}", "Lesson", "select-terminal");
        (int exitCode, string output, string error) = await lesson.WaitForEndAsync();
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal("select get stdin first\n\nselect get stdin \n\nselect get stdin last\n\n", output);
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }

    [Fact(Timeout = Limit)]
    public async Task Select_terminal_reads_a_terminal_line_by_line_until_ctrl_d()
    {
        using PseudoTerminal terminal = new();
        using ChildProgram lesson = ChildProgram.StartAssemblyInShell($"exec \"$@\" < {terminal.Path}", "Lesson", "select-terminal");
        terminal.Type("hello\n");
        Assert.Equal("select get stdin hello", await lesson.WaitForLineAsync("select"));
        terminal.Type("unfinished");
        terminal.Type(" business\n");
        Assert.Equal("select get stdin unfinished business", await lesson.WaitForLineAsync("select"));
        terminal.Type("\u0004");
        (int exitCode, string output, string error) = await lesson.WaitForEndAsync();
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal("select get stdin hello\n\nselect get stdin unfinished business\n\n", output);
    }

    [Theory(Timeout = Limit)]
    [InlineData("select-server")]
    [InlineData("select-server-handler")]
    public async Task Select_server_serves_many_clients_on_one_thread_whoever_is_silent(string lesson)
    {
        using ChildProgram server = ChildProgram.StartAssembly("Lesson", lesson, "0");
        IPEndPoint address = IPEndPoint.Parse((await server.WaitForLineAsync("listening on "))["listening on ".Length..]);
        List<Socket> clients = [];
        for (int i = 0; i < 50; i++)
        {
            clients.Add(Connect(address));
            await server.WaitForLineAsync("accept");
        }
        foreach (int i in (int[])[49, 0, 25])
        {
            clients[i].Send(Encoding.UTF8.GetBytes($"你好 {i}"));
            Assert.Equal($"received data: 你好 {i}", await server.WaitForLineAsync("received"));
        }
        clients[49].Dispose();
        // A reset is an end like others.
        clients[48].LingerState = new LingerOption(true, 0);
        clients[48].Dispose();
        clients[0].Send("still here"u8);
        Assert.Equal("received data: still here", await server.WaitForLineAsync());
        clients.ForEach(client => client.Dispose());
    }

    [Fact(Timeout = Limit)]
    public async Task Select_client_sends_what_is_typed_to_the_select_server()
    {
        using ChildProgram server = ChildProgram.StartAssembly("Lesson", "select-server", "0");
        string port = (await server.WaitForLineAsync("listening on ")).Split(':')[1];
        using ChildProgram client = ChildProgram.StartAssembly("Lesson", "select-client", port);
        await client.WaitForOutputAsync(output => output == "please input:");
        client.Write("hello\n");
        Assert.Equal("received data: hello", await server.WaitForLineAsync("received"));
        await client.WaitForOutputAsync(output => output == "please input:please input:");
        client.Write("电话\n");
        Assert.Equal("received data: 电话", await server.WaitForLineAsync("received"));
        client.CloseInput();
        (int exitCode, string output, string error) = await client.WaitForEndAsync();
        Assert.Equal((0, "please input:please input:please input:", ""), (exitCode, output, error));
        // The server goes on without it.
        using Socket next = Connect(IPEndPoint.Parse($"127.0.0.1:{port}"));
        await server.WaitForLineAsync("accept");
    }

    [Fact(Timeout = Limit)]
    public async Task A_client_without_a_server_says_so()
    {
        int port;
        using (Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        }
        using ChildProgram client = ChildProgram.StartAssembly("Lesson", "select-client", $"{port}");
        (int exitCode, string output, string error) = await client.WaitForEndAsync();
        Assert.Equal((1, ""), (exitCode, output));
        Assert.Contains("refused", error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Port_reuse_shows_both_options_and_the_error_without_them()
    {
        using ChildProgram lesson = ChildProgram.StartAssembly("Lesson", "port-reuse");
        (int exitCode, string output, string error) = await lesson.WaitForEndAsync();
        Assert.Equal((0, ""), (exitCode, error));
        string[] lines = output.TrimEnd('\n').Split('\n');
        Assert.Equal(4, lines.Length);
        Assert.Matches(@"^restart without ReuseAddress: address already in use \(127\.0\.0\.1:\d+ is in use: another socket is bound to it\. .*\)$", lines[0]);
        Assert.Equal("restart with ReuseAddress: both bound", lines[1]);
        Assert.Matches(@"^two sockets with ReuseAddress: address already in use \(127\.0\.0\.1:\d+ is in use: .*\)$", lines[2]);
        Assert.Equal("two sockets with ReusePort: both bound", lines[3]);
    }

    [Fact(Timeout = Limit)]
    public async Task A_server_by_hand_answers_each_caller_on_a_thread_and_loops_every_second()
    {
        using ChildProgram server = ChildProgram.StartAssembly("Lesson", "by-hand", "0");
        IPEndPoint address = IPEndPoint.Parse((await server.WaitForLineAsync("listening on "))["listening on ".Length..]);
        Assert.Equal("looping", await server.WaitForLineAsync());
        using Socket silent = Connect(address);
        await server.WaitForLineAsync("get request");
        using Socket caller = Connect(address);
        await server.WaitForLineAsync("get request");
        Assert.Equal("欢迎致电10086,请输入1xxx,0转人工服务.", Receive(caller));
        Assert.Equal("通过可能会被录音.balabala一大推", Ask(caller, "0"));
        Assert.Equal("请重新输入.", Ask(caller, "1234\n"));
        caller.Send("exit"u8);
        Assert.Equal("", Receive(caller));
        Assert.Equal("欢迎致电10086,请输入1xxx,0转人工服务.", Receive(silent));
        Assert.Equal("looping", await server.WaitForLineAsync());
        Assert.All(server.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1), line => Assert.Contains(line, (string[])["looping", "get request"]));
    }

    [Fact(Timeout = Limit)]
    public async Task A_second_server_on_the_port_says_that_it_is_in_use()
    {
        using ChildProgram server = ChildProgram.StartAssembly("Lesson", "by-hand", "0");
        string port = (await server.WaitForLineAsync("listening on ")).Split(':')[1];
        using ChildProgram second = ChildProgram.StartAssembly("Lesson", "select-server", port);
        (int exitCode, string output, string error) = await second.WaitForEndAsync();
        Assert.Equal((1, ""), (exitCode, output));
        Assert.StartsWith($"127.0.0.1:{port} is in use: ", error, StringComparison.Ordinal);
    }

    private static Socket Connect(IPEndPoint address)
    {
        Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 30_000 };
        client.Connect(address);
        return client;
    }

    private static string Ask(Socket caller, string text)
    {
        caller.Send(Encoding.UTF8.GetBytes(text));
        return Receive(caller);
    }

    private static string Receive(Socket caller)
    {
        byte[] answer = new byte[1024];
        return Encoding.UTF8.GetString(answer, 0, caller.Receive(answer));
    }
}
