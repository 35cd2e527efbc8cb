using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>What the tool does where its control socket can't be at the usual place.</summary>
public sealed class ToolControlFolderTests
{
    private const int Limit = 60_000;
    private const UnixFileMode Everybody = (UnixFileMode)0x1FF;

    [Fact(Timeout = Limit)]
    public async Task It_warns_and_serves_without_one_unless_one_was_asked_for()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["switchboard"]);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder["switchboard"], Everybody);
        }
        using (SwitchboardTool tool = await SwitchboardTool.ListeningAsync(Start()))
        {
            using Caller caller = await tool.CallAsync();
            await caller.SendAsync("served");
            await caller.ExpectAsync("served");
            (int code, _, string error) = await tool.EndAsync("TERM");
            Assert.Equal(0, code);
            Assert.Contains($"There is no control socket at {folder["switchboard"]}/", error);
            Assert.Contains("its mode is 777", error);
        }
        using ChildProgram named = Start("--name", "echo");
        (int failed, _, string why) = await named.WaitForEndAsync();
        Assert.Equal(1, failed);
        Assert.Contains($"others may write to {folder["switchboard"]}", why);

        ChildProgram Start(params string[] words) => ChildProgram.Start("env", ["--default-signal=INT,TERM", $"XDG_RUNTIME_DIR={folder.Root}", ChildProgram.DotNet, "exec",
            Path.Combine(AppContext.BaseDirectory, "switchboard.dll"), "serve", "echo", "--bind", "127.0.0.1:0", .. words]);
    }
}
