using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The example unit files are what systemd takes, and the words in them what the tool takes.</summary>
public sealed partial class SystemdUnitsTests : IDisposable
{
    private const int Limit = 60_000;
    private const string Tool = "/usr/local/bin/switchboard";
    private const int FirstWithNotifyReload = 253;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Services => [.. Units.Where(unit => unit.Name.EndsWith(".service", StringComparison.Ordinal)).Select(unit => unit.Name)];

    public void Dispose() => _folder.Dispose();

    [Fact(Timeout = Limit)]
    public async Task Systemd_takes_each_of_them()
    {
        Installed.Require("systemd-analyze");
        int version = int.Parse(Version().Match(await OutputOfAsync("systemd-analyze", "--version")).Groups[1].Value, CultureInfo.InvariantCulture);
        foreach (UnitFile unit in Units)
        {
            // It looks whether the program is there.
            string text = File.ReadAllText(unit.Path).Replace(Tool, "/bin/true", StringComparison.Ordinal);
            File.WriteAllText(_folder[unit.Name], version >= FirstWithNotifyReload ? text : text.Replace("notify-reload", "notify", StringComparison.Ordinal));
        }
        Assert.Equal("", await OutputOfAsync("systemd-analyze", ["verify", .. Units.Select(unit => _folder[unit.Name])]));
    }

    [Theory(Timeout = Limit)]
    [MemberData(nameof(Services))]
    public async Task The_tool_takes_the_words_of_each_service(string name)
    {
        UnitFile unit = Service(name);
        Assert.StartsWith("notify", Assert.Single(unit.All("Service", "Type")));
        Assert.NotEmpty(unit.All("Service", "WatchdogSec"));
        (string certificate, string key) = OpenSsl.Make(_folder, "echo", "echo.example");
        File.Copy(certificate, _folder["certificate"]);
        File.Copy(key, _folder["key"]);
        (int code, string output, string error) = await SwitchboardTool.RunAsync([.. Words(unit), "--check-config"]);
        Assert.Equal("", error);
        Assert.Equal(0, code);
        Assert.Contains("\"model\": \"eventloop\"", output);

        // What it takes by name is passed by that name; what it reads as a credential is loaded.
        string[] passed = [.. unit.Words("Service", "Sockets").SelectMany(socket => UnitFile.Read(PathOf(socket)).All("Socket", "FileDescriptorName"))];
        Assert.Equal(passed, Words(unit).Where(word => word.StartsWith("systemd:", StringComparison.Ordinal)).Select(word => word["systemd:".Length..]));
        string[] loaded = [.. unit.All("Service", "LoadCredential").Select(value => value.Split(':')[0])];
        Assert.All(Credential().Matches(Assert.Single(unit.All("Service", "ExecStart"))), match => Assert.Contains(match.Groups[1].Value, loaded));
    }

    [Fact(Timeout = Limit)]
    public async Task The_service_serves_the_sockets_that_it_is_started_with_and_tells_that_it_is_ready()
    {
        Installed.Require("systemd-socket-activate");
        using var manager = new Manager(_folder);
        string[] sockets = [_folder["echo"], _folder["local"]];
        string[] starter = [.. sockets.SelectMany(socket => (string[])["-l", socket]), "--fdname=echo:local", $"-ENOTIFY_SOCKET={manager.Path}"];
        foreach (string variable in (string[])["DOTNET_ROOT", "HOME", "PATH"])
        {
            starter = Environment.GetEnvironmentVariable(variable) is null ? starter : [.. starter, $"-E{variable}"];
        }
        using ChildProgram program = ChildProgram.Start("systemd-socket-activate", [.. starter, ChildProgram.DotNet, "exec", Path.Combine(AppContext.BaseDirectory, "switchboard.dll"), .. Words(Service("echo.service"))]);
        // The first caller has it started.
        using Caller first = await ConnectAsync(sockets[0]);
        await first.SendAsync("by the first socket");
        await first.ExpectAsync("by the first socket");
        using Caller second = await ConnectAsync(sockets[1]);
        await second.SendAsync("by the second");
        await second.ExpectAsync("by the second");
        Assert.StartsWith("READY=1", await manager.ReceiveNewsAsync());
        Assert.True(File.Exists(_folder["control.sock"]));
        SwitchboardTool.Send("TERM", program.Id);
        Assert.Equal(0, (await program.WaitForEndAsync()).ExitCode);
    }

    private static UnitFile[] Units => [.. Repository.Files(Path.Combine("samples", "systemd"), "*.*").Select(UnitFile.Read)];

    private static UnitFile Service(string name) => UnitFile.Read(PathOf(name));

    private static string PathOf(string name) => Repository.At("samples", "systemd", name);

    /// <summary>What the tool is given, with this test's folder for those of systemd.</summary>
    private string[] Words(UnitFile unit)
    {
        string command = Assert.Single(unit.All("Service", "ExecStart"));
        Assert.StartsWith(Tool + " ", command);
        string runtime = $"/run/{Assert.Single(unit.All("Service", "RuntimeDirectory"))}/";
        return command[(Tool.Length + 1)..].Replace("${CREDENTIALS_DIRECTORY}", _folder.Root, StringComparison.Ordinal).Replace(runtime, _folder.Root + "/", StringComparison.Ordinal).Split(' ');
    }

    private static async Task<string> OutputOfAsync(string file, params string[] arguments)
    {
        using ChildProgram program = ChildProgram.Start(file, arguments);
        (int code, string output, string error) = await program.WaitForEndAsync();
        Assert.True(code == 0, error);
        return output + error;
    }

    /// <summary>The starter makes the sockets' files a little before it listens.</summary>
    private static async Task<Caller> ConnectAsync(string path)
    {
        long end = Stopwatch.GetTimestamp() + (30 * Stopwatch.Frequency);
        while (true)
        {
            try
            {
                return await Caller.ConnectAsync(new UnixDomainSocketEndPoint(path));
            }
            catch (SocketException) when (Stopwatch.GetTimestamp() < end)
            {
                await Task.Yield();
            }
        }
    }

    [GeneratedRegex(@"systemd (\d+)")]
    private static partial Regex Version();

    [GeneratedRegex(@"\$\{CREDENTIALS_DIRECTORY\}/(\S+)")]
    private static partial Regex Credential();
}
