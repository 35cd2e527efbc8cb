using System.Diagnostics;

namespace Switchboard.Linux.Tests;

public sealed class ProcessorTimeTests
{
    private const int Limit = 60_000;

    // The kernel's own account of both ends of an interval may lie this far apart, in the resolution of the runtime's figure.
    private static readonly TimeSpan _tick = TimeSpan.FromMilliseconds(10);

    [Fact]
    public void It_grows_by_what_the_process_works_in_threads_that_have_ended_too()
    {
        TimeSpan before = ProcessCalls.ProcessorTime(Environment.ProcessId);
        TimeSpan worked = TimeSpan.Zero;
        var thread = new Thread(() => worked = Work(TimeSpan.FromMilliseconds(100)));
        thread.Start();
        thread.Join();
        Assert.True(worked >= TimeSpan.FromMilliseconds(100));
        Assert.True(ProcessCalls.ProcessorTime(Environment.ProcessId) - before >= worked - _tick);
    }

    [Fact(Timeout = Limit)]
    public async Task It_tells_of_another_process_and_stands_still_while_that_one_sleeps()
    {
        using Process shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; read line"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        try
        {
            Assert.Equal("done", await shell.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
            TimeSpan worked = ProcessCalls.ProcessorTime(shell.Id);
            Assert.InRange(worked, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1));
            Assert.True(Work(TimeSpan.FromMilliseconds(50)) >= TimeSpan.FromMilliseconds(50));
            Assert.InRange(ProcessCalls.ProcessorTime(shell.Id) - worked, TimeSpan.Zero, _tick);
        }
        finally
        {
            shell.Kill();
            await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_process_that_has_ended_is_told_by_its_number()
    {
        using Process ended = Process.Start("/bin/true");
        await ended.WaitForExitAsync(TestContext.Current.CancellationToken);
        SystemCallException exception = Assert.Throws<SystemCallException>(() => ProcessCalls.ProcessorTime(ended.Id));
        Assert.Equal("clock_gettime", exception.Call);
        Assert.StartsWith($"The processor time of process {ended.Id} cannot be read: ", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_number_that_no_process_has_is_refused(int number) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => ProcessCalls.ProcessorTime(number));

    /// <summary>Keeps the calling thread busy, by its own measure of processor time.</summary>
    private static TimeSpan Work(TimeSpan time)
    {
        TimeSpan before = Environment.CpuUsage.TotalTime;
        TimeSpan used;
        do
        {
            used = Environment.CpuUsage.TotalTime - before;
        }
        while (used < time);
        return used;
    }
}
