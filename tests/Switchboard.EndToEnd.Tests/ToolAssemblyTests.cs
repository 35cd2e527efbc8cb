namespace Switchboard.EndToEnd.Tests;

public sealed class ToolAssemblyTests
{
    private const int Limit = 60_000;

    private const string TwoHandlers = """
        using Switchboard.Servers;

        namespace Shop;

        public sealed class Upper : RequestHandler
        {
            protected override async Task HandleAsync(CancellationToken stop)
            {
                await foreach (ReadOnlyMemory<byte> line in Connection.ReadMessagesAsync(Framing.Line, stop))
                {
                    await Connection.WriteAsync(System.Text.Encoding.UTF8.GetBytes(Words.Loud(System.Text.Encoding.UTF8.GetString(line.Span))), stop);
                }
            }
        }

        internal sealed class Reverse : BlockingRequestHandler
        {
            protected override void Handle(CancellationToken stop)
            {
                foreach (ReadOnlyMemory<byte> line in Connection.ReadMessages(Framing.Line))
                {
                    byte[] bytes = line.ToArray();
                    Array.Reverse(bytes);
                    Connection.Write(bytes);
                }
            }
        }

        public sealed class Twice : DatagramRequestHandler
        {
            protected override Task HandleAsync(CancellationToken stop) => ReplyAsync((byte[])[.. Datagram.Data.Span, .. Datagram.Data.Span], stop).AsTask();
        }

        public sealed class Tally : DatagramSessionHandler
        {
            protected override async Task HandleAsync(CancellationToken stop)
            {
                for (int count = 1; await Session.ReceiveAsync(stop) is not null; count++)
                {
                    await Session.SendAsync(System.Text.Encoding.ASCII.GetBytes($"{count}"), stop);
                }
            }
        }

        public abstract class Unfinished : RequestHandler;

        public sealed class NeedsThings(string things) : RequestHandler
        {
            protected override Task HandleAsync(CancellationToken stop) => throw new NotSupportedException(things);
        }
        """;

    private const string ItsDependency = """
        namespace Shop;

        public static class Words
        {
            public static string Loud(string word) => word.ToUpperInvariant();
        }
        """;

    [Fact(Timeout = Limit)]
    public async Task The_only_handler_of_an_assembly_needs_no_name()
    {
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync(Path.Combine(AppContext.BaseDirectory, "Hotline.dll"));
        using Caller caller = await tool.CallAsync();
        await caller.ExpectAsync("欢迎致电10086,请输入1xxx,0转人工服务.");
    }

    [Theory(Timeout = Limit)]
    [InlineData("Upper", "ABC")]
    [InlineData("Shop.Upper", "ABC")]
    [InlineData("Reverse", "cba")]
    public async Task A_handler_is_served_by_its_name_with_what_its_assembly_depends_on(string name, string answer)
    {
        using var folder = new TemporaryFolder();
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync($"{Build(folder)}:{name}");
        using Caller caller = await tool.CallAsync();
        await caller.SendAsync("abc\n");
        await caller.ExpectAsync(answer);
        Assert.Equal(0, (await tool.EndAsync()).ExitCode);
    }

    [Theory(Timeout = Limit)]
    [InlineData("Twice", "abab", "cc")]
    [InlineData("Tally", "1", "2")]
    public async Task Handlers_of_datagrams_and_of_sessions_are_served_by_UDP(string name, string first, string second)
    {
        using var folder = new TemporaryFolder();
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync($"{Build(folder)}:{name}", "--bind", "udp:127.0.0.1:0", "--session-idle", "30s", "--max-sessions", "2", "--receive-buffer", "64KiB", "--broadcast", "--multicast", "239.255.0.7");
        using var caller = new System.Net.Sockets.UdpClient();
        caller.Connect(System.Net.IPEndPoint.Parse(tool.Address["udp:".Length..]));
        Assert.Equal(first, await AskAsync("ab"));
        Assert.Equal(second, await AskAsync("c"));
        Assert.Equal(0, (await tool.EndAsync()).ExitCode);

        async Task<string> AskAsync(string text)
        {
            await caller.SendAsync(System.Text.Encoding.ASCII.GetBytes(text), TestContext.Current.CancellationToken);
            return System.Text.Encoding.ASCII.GetString((await caller.ReceiveAsync(TestContext.Current.CancellationToken)).Buffer);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Several_handlers_are_listed_if_none_is_named()
    {
        using var folder = new TemporaryFolder();
        string error = await FailAsync(Build(folder));
        Assert.Contains("has several handlers: write Shop.dll:HANDLER. Its handlers are Shop.NeedsThings, Shop.Reverse, Shop.Tally, Shop.Twice, Shop.Upper.", error);
    }

    [Fact(Timeout = Limit)]
    public async Task A_handler_that_is_not_there_is_an_error_that_lists_those_that_are()
    {
        using var folder = new TemporaryFolder();
        string error = await FailAsync(Build(folder) + ":Lower");
        Assert.Contains("has no handler 'Lower'. Its handlers are Shop.NeedsThings, Shop.Reverse, Shop.Tally, Shop.Twice, Shop.Upper.", error);
    }

    [Fact(Timeout = Limit)]
    public async Task A_handler_whose_constructor_needs_something_is_an_error_that_says_so()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("Shop.NeedsThings has no public constructor without parameters", await FailAsync(Build(folder) + ":NeedsThings"));
    }

    [Fact(Timeout = Limit)]
    public async Task An_assembly_without_a_handler_is_an_error_that_says_what_is_one()
    {
        using var folder = new TemporaryFolder();
        Assert.Empty(Compiler.Compile(folder["Words.dll"], ItsDependency));
        Assert.Contains("It has no class that derives from RequestHandler, BlockingRequestHandler, DatagramRequestHandler or DatagramSessionHandler.", await FailAsync(folder["Words.dll"]));
    }

    private static string Build(TemporaryFolder folder)
    {
        Assert.Empty(Compiler.Compile(folder["Words.dll"], ItsDependency));
        Assert.Empty(Compiler.Compile(folder["Shop.dll"], TwoHandlers, folder["Words.dll"]));
        return folder["Shop.dll"];
    }

    private static async Task<string> FailAsync(string what)
    {
        (int exitCode, string output, string error) = await SwitchboardTool.RunAsync("serve", what);
        Assert.Equal(2, exitCode);
        Assert.Empty(output);
        Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        return error;
    }
}
