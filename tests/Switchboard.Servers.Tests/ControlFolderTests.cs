using Switchboard.Linux;

namespace Switchboard.Servers.Tests;

/// <summary>A control socket is made only where nobody else can put another one in its place.</summary>
public sealed class ControlFolderTests
{
    private const uint Stranger = 54321;

    private static readonly Dictionary<string, ControlCommand> _commands = [];

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("700", true)]
    [InlineData("755", true)]
    [InlineData("1777", true)]
    [InlineData("770", false)]
    [InlineData("777", false)]
    [InlineData("702", false)]
    public async Task A_folder_that_others_may_write_to_is_refused(string mode, bool isSafe)
    {
        using var folder = new TemporaryFolder();
        SetMode(folder.File("."), mode);
        await using var server = new ControlServer(folder.Address("control"), _commands);
        if (isSafe)
        {
            await server.StartAsync().InTime();
            Assert.True(File.Exists(folder.File("control")));
            return;
        }
        SystemCallException refused = await Assert.ThrowsAsync<SystemCallException>(() => server.StartAsync());
        Assert.Equal(Errno.AccessDenied, refused.Errno);
        Assert.Contains($"others may write to {Path.GetDirectoryName(folder.File("control"))} (its mode is {mode})", refused.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(folder.File("control")));
        SetMode(folder.File("."), "700");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(null, false)]
    [InlineData("54322", false)]
    [InlineData("54321", true)]
    public async Task A_folder_of_a_stranger_is_refused_unless_the_socket_is_meant_for_him(string? owner, bool isSafe)
    {
        Assert.SkipUnless(ProcessCalls.EffectiveUser() == 0, "Only root can give a folder away: run the tests as root.");
        using var folder = new TemporaryFolder();
        FileCalls.SetOwner(folder.File("."), Stranger, null).OrThrow("chown");
        Assert.Equal(Stranger, FileCalls.OwnerOf(folder.File(".")));
        await using var server = new ControlServer(folder.Address("control"), _commands, owner: owner);
        if (isSafe)
        {
            server.Bind();
            Assert.Equal(Stranger, FileCalls.OwnerOf(folder.File("control")));
        }
        else
        {
            Assert.Contains("belongs to user 54321", Assert.Throws<SystemCallException>(server.Bind).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_folder_that_is_not_there_and_a_name_without_a_file_are_left_to_the_kernel()
    {
        await using var nowhere = new ControlServer("unix:/no-such-folder/control", _commands);
        Assert.Equal(Errno.NoEntry, Assert.Throws<SystemCallException>(nowhere.Bind).Errno);
        await using var named = new ControlServer($"unix:@switchboard-{Guid.NewGuid():N}", _commands);
        named.Bind();
    }

    private static void SetMode(string path, string mode)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, (UnixFileMode)Convert.ToInt32(mode, 8));
        }
    }
}
