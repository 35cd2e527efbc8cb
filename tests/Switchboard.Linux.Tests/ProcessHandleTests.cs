using System.Diagnostics;

namespace Switchboard.Linux.Tests;

public sealed class ProcessHandleTests
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    [Fact]
    public void It_becomes_readable_when_the_process_has_ended()
    {
        using var child = Process.Start(new ProcessStartInfo("cat") { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        using DescriptorHandle handle = ProcessCalls.Open(child.Id);
        PollDescriptor[] watched = [new(handle.Number, PollEvents.Readable)];
        Assert.Equal(0, MultiplexCalls.Poll(watched, TimeSpan.Zero));
        child.StandardInput.Close();
        Assert.Equal(1, MultiplexCalls.Poll(watched, _patience));
        Assert.True(child.WaitForExit(_patience));
    }

    [Fact]
    public void There_is_none_of_a_process_that_is_not()
    {
        var exception = Assert.Throws<SystemCallException>(() => ProcessCalls.Open(int.MaxValue));
        Assert.Contains("pidfd_open", exception.Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => ProcessCalls.Open(0));
    }
}
