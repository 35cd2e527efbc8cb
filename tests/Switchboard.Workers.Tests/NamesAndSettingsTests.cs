using System.Globalization;

namespace Switchboard.Workers.Tests;

public sealed class NamesAndSettingsTests
{
    [Fact]
    public void A_worker_without_a_name_gets_a_numbered_one()
    {
        int first = Number(new ThreadWorker(() => { }));
        int second = Number(ThreadWorker.Start(() => { }));
        int third = Number(ThreadWorker.Start(() => 0, name: ""));
        int fourth = Number(new Derived());
        Assert.True(first < second && second < third && third < fourth, $"{first} {second} {third} {fourth}");
    }

    [Fact]
    public void A_name_that_was_chosen_is_kept()
    {
        Assert.Equal("chosen", new ThreadWorker(() => { }) { Name = "chosen" }.Name);
        Assert.Equal("chosen", ThreadWorker.Start(() => { }, name: "chosen").Name);
        Assert.Equal("chosen", ThreadWorker.Start(() => 0, name: "chosen").Name);
        Assert.Equal("", new ThreadWorker(() => { }) { Name = "" }.Name);
        Assert.Throws<ArgumentNullException>(() => new ThreadWorker(() => { }).Name = null!);
    }

    [Fact]
    public void A_name_may_change_at_any_time_and_the_thread_bears_it()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The kernel's name of a thread is read from /proc.");
        using var finish = new ManualResetEventSlim();
        string? own = null;
        ThreadWorker worker = ThreadWorker.Start(
            () =>
            {
                finish.WaitOrFail();
                own = Thread.CurrentThread.Name;
            },
            name: "before");
        string kernelName = $"/proc/self/task/{worker.NativeId}/comm";
        Patience.Until(() => File.ReadAllText(kernelName) == "before\n", "the thread has its first name");
        worker.Name = "after, and too long for the kernel";
        Assert.Equal("after, and too \n", File.ReadAllText(kernelName));
        finish.Set();
        worker.JoinOrFail();
        Assert.Equal("after, and too long for the kernel", own);
        worker.Name = "stopped";
        Assert.Equal("stopped", worker.Name);
    }

    [Fact]
    public void Renaming_while_workers_end_harms_nobody()
    {
        for (int i = 0; i < Patience.Rounds(200); i++)
        {
            ThreadWorker worker = ThreadWorker.Start(() => { });
            while (worker.IsAlive)
            {
                worker.Name = "renamed";
            }
            worker.Name = "last";
            worker.JoinOrFail();
            Assert.Equal("last", worker.Name);
        }
    }

    [Fact]
    public void A_worker_is_in_the_foreground_unless_told_otherwise()
    {
        Assert.False(new ThreadWorker(() => { }).IsBackground);
        Assert.False(new ThreadWorker(() => { }) { IsBackground = false }.IsBackground);
        Assert.True(new ThreadWorker(() => { }) { IsBackground = true }.IsBackground);
        Assert.True(ThreadWorker.Start(() => { }, isBackground: true).IsBackground);
        Assert.True(ThreadWorker.Start(() => Thread.CurrentThread.IsBackground, isBackground: true).Result);
        Assert.False(ThreadWorker.Start(() => Thread.CurrentThread.IsBackground).Result);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_worker_made_by_a_worker_begins_with_its_background(bool isBackground) =>
        Assert.Equal((isBackground, isBackground, !isBackground), ThreadWorker.Start(
            () => (new ThreadWorker(() => { }).IsBackground,
                ThreadWorker.Start(() => Thread.CurrentThread.IsBackground).Result,
                ThreadWorker.Start(() => Thread.CurrentThread.IsBackground, isBackground: !isBackground).Result),
            isBackground: isBackground).Result);

    [Fact]
    public void Background_and_stack_are_fixed_once_started()
    {
        using var finish = new ManualResetEventSlim();
        ThreadWorker worker = ThreadWorker.Start(finish.WaitOrFail, name: "fixed");
        InvalidOperationException refusal = Assert.Throws<InvalidOperationException>(() => worker.IsBackground = true);
        Assert.Equal($"IsBackground of ThreadWorker(fixed, started {worker.Id}) cannot be set any more: it was started. Set it before Start.", refusal.Message);
        Assert.Throws<InvalidOperationException>(() => worker.StackSize = ThreadWorker.MinimumStackSize);
        finish.Set();
        worker.JoinOrFail();
        Assert.Throws<InvalidOperationException>(() => worker.IsBackground = true);
        Assert.False(worker.IsBackground);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    [InlineData(ThreadWorker.MinimumStackSize - 1)]
    [InlineData(ThreadWorker.MaximumStackSize + 1)]
    public void A_stack_out_of_range_is_refused(int stackSize)
    {
        ArgumentOutOfRangeException refusal = Assert.Throws<ArgumentOutOfRangeException>(() => ThreadWorker.Start(() => { }, stackSize: stackSize));
        Assert.StartsWith($"A stack of {stackSize} bytes is out of range: choose 262144 to 1073741824 bytes, or 0", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_stack_has_the_size_that_was_asked_for()
    {
        static int Depth()
        {
            int depth = 0;
            void Down()
            {
                System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
                depth++;
                Down();
                depth = Math.Max(depth, 0);
            }
            Assert.Throws<InsufficientExecutionStackException>(Down);
            return depth;
        }
        int small = ThreadWorker.Start(Depth, stackSize: 512 * 1024).Result;
        int large = ThreadWorker.Start(Depth, stackSize: 4 * 1024 * 1024).Result;
        Assert.True(large > 4 * small, $"{small} calls on 512 KiB, {large} on 4 MiB");
    }

    [Fact]
    public void The_text_says_type_name_state_background_and_number()
    {
        using var running = new ManualResetEventSlim();
        using var finish = new ManualResetEventSlim();
        var worker = new ThreadWorker(() =>
        {
            running.Set();
            finish.WaitOrFail();
        })
        { Name = "x" };
        Assert.Equal("ThreadWorker(x, initial)", worker.ToString());
        worker.IsBackground = true;
        Assert.Equal("ThreadWorker(x, initial background)", worker.ToString());
        worker.Start();
        running.WaitOrFail();
        Assert.Equal($"ThreadWorker(x, started background {worker.Id})", worker.ToString());
        finish.Set();
        Patience.Until(() => worker.ToString() == $"ThreadWorker(x, stopped background {worker.Id})", "it says stopped although nobody joined it");
        Assert.Equal("ThreadWorker(y, initial)", new ThreadWorker<int>(() => 1) { Name = "y" }.ToString());
        Assert.Equal("Derived(z, initial)", new Derived { Name = "z" }.ToString());
    }

    private static int Number(ThreadWorker worker)
    {
        Assert.StartsWith("ThreadWorker-", worker.Name, StringComparison.Ordinal);
        return int.Parse(worker.Name["ThreadWorker-".Length..], CultureInfo.InvariantCulture);
    }

    private sealed class Derived : ThreadWorker;
}
