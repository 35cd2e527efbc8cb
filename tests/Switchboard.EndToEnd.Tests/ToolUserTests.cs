using System.Diagnostics;
using System.Text.Json;
using Switchboard.Linux;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The tool binds as root, and serves as another user.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class ToolUserTests : IDisposable
{
    private const int Limit = 60_000;
    private const UnixFileMode Everybody = (UnixFileMode)0x1ED;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact(Timeout = Limit)]
    public async Task Root_binds_and_another_user_serves()
    {
        string tool = CopyForEverybody();
        string path = _folder["sockets/echo"];
        using SwitchboardTool serving = await SwitchboardTool.ListeningAsync(ChildProgram.Start("env", "--default-signal=INT,TERM", ChildProgram.DotNet, "exec", tool, "serve", "echo", "--bind", $"unix:{path}",
            "--user", "nobody", "--umask", "077", "--unix-user", "nobody", "--unix-group", "54321", "--unix-mode", "660", "--control", _folder["sockets/control"]));
        string[] status = File.ReadAllLines($"/proc/{serving.Program.Id}/status");
        Assert.Contains("Uid:\t65534\t65534\t65534\t65534", status);
        Assert.Contains("CapEff:\t0000000000000000", status);
        Assert.Contains("Umask:\t0077", status);
        Assert.Equal("65534:54321:660 65534:0:600", await StatAsync(path, _folder["sockets/control"]));
        using (Caller caller = await serving.CallAsync())
        {
            await caller.SendAsync("hello");
            await caller.ExpectAsync("hello");
        }
        using JsonDocument told = JsonDocument.Parse((await SwitchboardTool.RunAsync("status", "--json", "--control", _folder["sockets/control"])).Output);
        Assert.Equal("nobody", told.RootElement.GetProperty("endpoints")[0].GetProperty("settings").GetProperty("unix-user").GetString());
        (int exitCode, _, string error) = await serving.EndAsync("TERM");
        Assert.Equal(0, exitCode);
        Assert.DoesNotContain("error", error);
        Assert.False(File.Exists(path));
    }

    [Theory(Timeout = Limit)]
    [InlineData(1, "--user: Only root can become nobody", "--user", "nobody")]
    [InlineData(2, "user no-such-user: ", "--user", "no-such-user", "--check-config")]
    public async Task A_user_that_it_cannot_become_is_one_sentence(int expectedCode, string expected, params string[] words)
    {
        string tool = CopyForEverybody();
        using ChildProgram serving = ChildProgram.Start("setpriv", ["--reuid=54321", "--regid=54321", "--clear-groups", "env", ChildProgram.DotNet, "exec", tool, "serve", "echo", "--bind", "127.0.0.1:0", "--control", "none", .. words]);
        (int exitCode, string output, string error) = await serving.WaitForEndAsync();
        Assert.StartsWith(expected, string.Join('\n', error.Split('\n').Where(static line => !line.Contains(" info ", StringComparison.Ordinal))));
        Assert.Equal(expectedCode, exitCode);
        Assert.Empty(output);
    }

    /// <summary>The place of the tests may be closed to others, and .NET loads assemblies when they are first needed.</summary>
    private string CopyForEverybody()
    {
        Assert.SkipUnless(ProcessCalls.EffectiveUser() == 0, "Only root can become another user: run the tests as root.");
        Installed.Require("setpriv");
        Directory.CreateDirectory(_folder["program"]);
        Directory.CreateDirectory(_folder["sockets"]);
        foreach (string file in Directory.EnumerateFiles(AppContext.BaseDirectory))
        {
            string name = Path.GetFileName(file);
            if (((string[])["switchboard.", "Switchboard.", "Microsoft.Extensions.", "System."]).Any(start => name.StartsWith(start, StringComparison.Ordinal)))
            {
                File.Copy(file, _folder[$"program/{name}"]);
            }
        }
        foreach (string folder in (string[])[_folder.Root, _folder["program"], _folder["sockets"]])
        {
            File.SetUnixFileMode(folder, Everybody);
        }
        FileCalls.SetOwner(_folder["sockets"], 65534, null).OrThrow("chown");
        using var test = Process.Start("setpriv", ["--reuid=54321", "--regid=54321", "--clear-groups", "test", "-r", typeof(object).Assembly.Location]);
        test.WaitForExit();
        Assert.SkipUnless(test.ExitCode == 0, $"The runtime's files ({typeof(object).Assembly.Location}) can't be read by other users.");
        return _folder["program/switchboard.dll"];
    }

    private static async Task<string> StatAsync(params string[] paths)
    {
        using ChildProgram stat = ChildProgram.Start("stat", ["-c", "%u:%g:%a", .. paths]);
        return (await stat.WaitForEndAsync()).Output.Trim().ReplaceLineEndings(" ");
    }
}
