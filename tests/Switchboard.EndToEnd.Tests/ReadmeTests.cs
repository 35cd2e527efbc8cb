using System.Net;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

public sealed partial class ReadmeTests
{
    private const int Limit = 120_000;

    /// <summary>Where each block of C# begins: in a page, at a line.</summary>
    public static TheoryData<string, int> Blocks() =>
        [.. Document.Guides().SelectMany(page => page.CSharp.Select(block => (page.Name, block.Line)))];

    [Theory]
    [MemberData(nameof(Blocks))]
    public void Every_block_of_csharp_compiles(string page, int line)
    {
        string[] errors = Errors(Document.Read(page), line);
        Assert.True(errors.Length == 0, string.Join('\n', errors));
    }

    [Fact]
    public void A_block_that_does_not_compile_is_found_and_usings_hold_for_the_page()
    {
        Document page = Document.Parse("a.md", """
            ```csharp
            using Switchboard.Workers;

            ThreadWorker.Start(() => { });
            ```
            ```csharp
            ThreadWorker.Start(() => { }).Join();

            sealed class Kept;
            ```
            ```csharp
            sealed class Alone : ThreadWorker;
            ```
            ```csharp
            ThreadWorker.Begin(() => { });
            ```
            """);
        Assert.Empty(Errors(page, 2));
        Assert.Empty(Errors(page, 7));
        Assert.Empty(Errors(page, 12));
        string error = Assert.Single(Errors(page, 15));
        Assert.StartsWith("a.md(15,", error);
        Assert.Contains("'Begin'", error);
    }

    [Fact(Timeout = Limit)]
    public async Task The_first_program_answers_callers_and_ends_at_ctrl_c()
    {
        const string Address = "\"127.0.0.1:8010\"";
        const string Serve = "await echo.ServeForeverAsync();";
        string text = Document.Read("README.md").CSharp.First().Text;
        Assert.Equal(2, text.Split(Address).Length);
        Assert.Equal(2, text.Split(Serve).Length);
        // Only its port is another one, and told.
        using var compiled = new CompiledProgram(text
            .Replace(Address, "\"127.0.0.1:0\"", StringComparison.Ordinal)
            .Replace(Serve, $"await echo.StartAsync(); Console.WriteLine(echo.LocalEndPoint); {Serve}", StringComparison.Ordinal));
        using ChildProgram program = compiled.Start();
        EndPoint address = IPEndPoint.Parse(await program.WaitForLineAsync());
        using Caller silent = await Caller.ConnectAsync(address);
        using (Caller caller = await Caller.ConnectAsync(address))
        {
            await caller.SendAsync("hello\nwor");
            await caller.ExpectAsync("hello\n");
            await caller.SendAsync("ld\n\n");
            await caller.ExpectAsync("world\n\n");
            caller.EndOutput();
            Assert.Empty(await caller.ReceiveToEndAsync());
        }
        SwitchboardTool.Send("INT", program.Id);
        Assert.Empty(await silent.ReceiveToEndAsync());
        (int exitCode, _, string error) = await program.WaitForEndAsync();
        Assert.Empty(error);
        Assert.Equal(0, exitCode);
    }

    [Theory(Timeout = Limit)]
    [InlineData("Linux", "^5\n$")]
    [InlineData("Polling", "^$")]
    [InlineData("Workers", "^5050\nhello from greeter\nTrue\n$")]
    [InlineData("Hosting", @"echo listens on 127\.0\.0\.1:[1-9]\d*, EventLoop\(1\)\.")]
    [InlineData("Servers", @"^listening on 127\.0\.0\.1:[1-9]\d*\n$")]
    public async Task The_program_of_each_package_runs(string project, string output)
    {
        using var compiled = new CompiledProgram(Document.Read($"src/Switchboard.{project}/README.md").CSharp.First().Text);
        using ChildProgram program = compiled.Start();
        (int exitCode, string written, string error) = await program.WaitForEndAsync();
        Assert.Empty(error);
        Assert.Equal(0, exitCode);
        Assert.Matches(output, written);
    }

    [Fact(Timeout = Limit)]
    public async Task The_run_command_names_the_tool_and_words_that_it_knows()
    {
        Document readme = Document.Read("README.md");
        string[] command = readme.Code.First(block => block.Language == "sh").Text.Trim().Split(' ');
        Assert.Equal(["dotnet", "run", "-c", "Release", "--project"], command[..5]);
        Assert.Equal("src/Switchboard.Cli", command[5]);
        Assert.True(File.Exists(Repository.At(command[5], Path.GetFileName(command[5]) + ".csproj")));
        Assert.Equal(["--", "serve"], command[6..8]);
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync(command[8], command[9..]);
        using Caller caller = await tool.CallAsync();
        await caller.ExpectAsync("欢迎致电10086,请输入1xxx,0转人工服务.");
    }

    [Fact(Timeout = Limit)]
    public async Task Callers_find_the_hotline_where_the_readme_says()
    {
        Match call = NetcatCall().Match(Document.Read("README.md").Text);
        Assert.True(call.Success, "The README says how to call with nc.");
        (_, string help, _) = await SwitchboardTool.RunAsync("serve", "--help");
        Assert.Contains($"[default: {call.Groups[1].Value}:{call.Groups[2].Value}]", help);
    }

    [Fact(Timeout = Limit)]
    public async Task Each_option_stands_in_the_help_in_the_table_and_in_the_configuration_file_with_its_default()
    {
        (_, string help, _) = await SwitchboardTool.RunAsync("serve", "--help");
        string[] rows = [.. HelpOption().Matches(help).Select(match => $"{match.Groups[1].Value} {(match.Groups[2].Success ? match.Groups[2].Value : "off")}")];
        Assert.Contains("--model threads", rows);
        Assert.Equal(rows, TableRow().Matches(Document.Read("docs/operations.md").Text).Select(match => $"{match.Groups[1].Value} {match.Groups[2].Value}"));

        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["config.json"], """{"no-such-key":1}""");
        (_, _, string error) = await SwitchboardTool.RunAsync("serve", "--config", folder["config.json"]);
        string[] keys = error.Split("Allowed are ")[1].Split('.')[0].Split(", ");
        string[] onTheCommandLineOnly = ["--bind", "--config", "--check-config"];
        Assert.Equal(rows.Select(static row => row.Split(' ')[0]).Except(onTheCommandLineOnly), keys.Except(["handler", "endpoints"]).Select(static key => $"--{key}"));
    }

    [Fact]
    public void The_test_command_finds_every_project()
    {
        Assert.Equal("dotnet test\n", Document.Read("README.md").Code.Where(block => block.Language == "sh").ElementAt(1).Text);
        // Without a path it takes the one solution of the folder.
        string solution = Assert.Single(Directory.EnumerateFiles(Repository.Root), path => Path.GetExtension(path) is ".sln" or ".slnx" or ".slnf" or ".csproj" or ".proj");
        string[] listed = [.. XDocument.Load(solution).Descendants("Project").Select(project => (string)project.Attribute("Path")!)];
        Assert.Equal(Repository.Files("", "*.csproj").Select(Repository.Name), listed.Order(StringComparer.Ordinal));
    }

    // A page's usings stand in its first block and hold for those that follow.
    private static string[] Errors(Document page, int line)
    {
        string usings = string.Concat(page.CSharp.TakeWhile(block => block.Line < line).SelectMany(block => Using().Matches(block.Text)).Select(match => match.Value).Distinct());
        CodeBlock block = Assert.Single(page.CSharp, block => block.Line == line);
        bool hasItsOwn = Using().IsMatch(block.Text);
        string source = $"{(hasItsOwn ? "" : usings)}#line {line} \"{page.Name}\"\n{block.Text}";
        return [.. Compiler.Compile(null, source).Select(error => error.ToString())];
    }

    [GeneratedRegex(@"^using [\w.]+;\n", RegexOptions.Multiline)]
    private static partial Regex Using();

    [GeneratedRegex(@"^  (?:-\w, )?(--(?!help)[\w-]+)[^\n]*?(?:\[default: ([^\]]+)\])?$", RegexOptions.Multiline)]
    private static partial Regex HelpOption();

    [GeneratedRegex(@"^\| `(--[\w-]+)` \|.*\| `?([^|`]+?)`? \|$", RegexOptions.Multiline)]
    private static partial Regex TableRow();

    [GeneratedRegex(@"`nc (\S+) (\d+)`")]
    private static partial Regex NetcatCall();
}
