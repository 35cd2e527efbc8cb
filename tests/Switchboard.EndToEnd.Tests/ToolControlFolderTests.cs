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

    [Fact(Timeout = Limit)]
    public async Task What_killed_programs_have_left_is_removed_by_the_next_and_what_lives_is_not()
    {
        using var folder = new TemporaryFolder();
        string[] place = [$"XDG_RUNTIME_DIR={folder.Root}"];
        using SwitchboardTool lives = await SwitchboardTool.ServeUnderAsync(place, "echo", "--name", "lives");
        foreach (string name in (string[])["old", "young"])
        {
            using SwitchboardTool killed = await SwitchboardTool.ServeUnderAsync(place, "echo", "--name", name);
            await killed.EndAsync("KILL");
        }
        Assert.Equal(["lives.sock", "old.sock", "young.sock"], Left());
        File.SetLastWriteTimeUtc(folder["switchboard/old.sock"], DateTime.UnixEpoch);
        File.SetLastWriteTimeUtc(folder["switchboard/lives.sock"], DateTime.UnixEpoch);
        using SwitchboardTool next = await SwitchboardTool.ServeUnderAsync(place, "echo", "--name", "next");
        // The young one may be of a program that does not listen yet.
        Assert.Equal(["lives.sock", "next.sock", "young.sock"], Left());

        IEnumerable<string?> Left() => Directory.GetFiles(folder["switchboard"]).Select(Path.GetFileName).Order(StringComparer.Ordinal);
    }
}
