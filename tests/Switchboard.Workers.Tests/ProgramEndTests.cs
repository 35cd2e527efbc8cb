namespace Switchboard.Workers.Tests;

public sealed class ProgramEndTests
{
    [Theory(Timeout = Patience.Test)]
    [InlineData("foreground-outlives-main")]
    [InlineData("foreground-under-background")]
    public async Task A_foreground_worker_keeps_the_program_alive(string verb)
    {
        using var child = TestChild.Start(verb);
        Assert.Equal("end of main", await child.ReadLineAsync());
        await child.SayGoAsync();
        Assert.Equal(("end of worker\n", 7), await child.EndAsync());
        Assert.Equal("", child.Error);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task The_main_thread_has_not_ended_while_foreground_workers_run()
    {
        using var child = TestChild.Start("join-main");
        Assert.Equal("end of main", await child.ReadLineAsync());
        await child.SayGoAsync();
        Assert.Equal(("False\n", 7), await child.EndAsync());
    }

    [Theory(Timeout = Patience.Test)]
    [InlineData("background-ends-with-main")]
    [InlineData("background-is-inherited")]
    public async Task A_background_worker_ends_with_main(string verb)
    {
        using var child = TestChild.Start(verb);
        Assert.Equal(("end of main\n", 7), await child.EndAsync());
        Assert.Equal("", child.Error);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task Busy_background_workers_do_not_disturb_the_end()
    {
        using var child = TestChild.Start("busy-background");
        Assert.Equal(("", 0), await child.EndAsync());
        Assert.Equal("", child.Error);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task Environment_exit_waits_for_no_worker()
    {
        using var child = TestChild.Start("environment-exit");
        Assert.Equal(("end of main\n", 42), await child.EndAsync());
    }

    [Fact(Timeout = Patience.Test)]
    public async Task Environment_exit_in_a_worker_ends_the_program()
    {
        using var child = TestChild.Start("environment-exit-in-worker");
        Assert.Equal(("", 43), await child.EndAsync());
    }

    [Fact(Timeout = Patience.Test)]
    public async Task Process_exit_is_raised_once_after_the_foreground_workers()
    {
        using var child = TestChild.Start("at-exit");
        Assert.Equal("end of main", await child.ReadLineAsync());
        await child.SayGoAsync();
        Assert.Equal(("end of worker\nat exit, 0 active\n", 7), await child.EndAsync());
    }

    [Fact(Timeout = Patience.Test)]
    public async Task A_subscriber_to_process_exit_that_comes_at_exit_is_not_called()
    {
        using var child = TestChild.Start("at-exit-too-late");
        Assert.Equal(("end of main\nat exit\n", 7), await child.EndAsync());
        Assert.Equal("", child.Error);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task An_exception_in_a_worker_is_written_and_the_program_goes_on()
    {
        using var child = TestChild.Start("throw");
        Assert.Equal(("end of main\n", 7), await child.EndAsync());
        AssertTold(child.Error);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task An_exception_after_the_end_of_main_is_written_and_the_exit_code_stays()
    {
        using var child = TestChild.Start("throw-after-main");
        Assert.Equal("end of main", await child.ReadLineAsync());
        await child.SayGoAsync();
        Assert.Equal(("", 7), await child.EndAsync());
        AssertTold(child.Error);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task An_exception_without_a_standard_error_harms_nobody()
    {
        using (var child = TestChild.Start("throw-without-standard-error"))
        {
            Assert.Equal(("end of main\n", 7), await child.EndAsync());
            Assert.Equal("", child.Error);
        }
        Assert.SkipUnless(File.Exists("/bin/sh"), "The descriptor is closed by a shell.");
        using (var child = TestChild.StartInShell("exec \"$0\" \"$@\" 2>&-", "throw"))
        {
            Assert.Equal(("end of main\n", 7), await child.EndAsync());
        }
    }

    [Fact(Timeout = Patience.Test)]
    public async Task A_failure_whose_result_nobody_asked_for_is_told_when_the_program_ends()
    {
        using var child = TestChild.Start("result-nobody-asked-for");
        Assert.Equal(("end of main\n", 7), await child.EndAsync());
        AssertTold(child.Error);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task A_failure_whose_result_somebody_asked_for_is_told_to_nobody_else()
    {
        using var child = TestChild.Start("result-asked-for");
        Assert.Equal(("the work failed\nend of main\n", 7), await child.EndAsync());
        Assert.Equal("", child.Error);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task Deep_recursion_with_a_check_is_an_exception()
    {
        using var child = TestChild.Start("recurse-with-a-check");
        Assert.Equal(("end of main\n", 7), await child.EndAsync());
        Assert.Contains("InsufficientExecutionStackException", child.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task Deep_recursion_without_a_check_ends_the_program()
    {
        using var child = TestChild.Start("recurse");
        Assert.Equal(("", 128 + 6), await child.EndAsync());
        Assert.Contains("Stack overflow.", child.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task A_worker_that_found_no_room_can_be_started_again()
    {
        Assert.SkipUnless(File.Exists("/bin/sh"), "The address space is limited by a shell.");
        // The runtime reserves far more than it uses unless its heap is limited too.
        using var child = TestChild.StartInShell("ulimit -v 3000000 && DOTNET_GCHeapHardLimit=0x4000000 exec \"$0\" \"$@\"", "no-room-for-a-thread");
        Assert.Equal(("False True False\nTrue False True\nend of main\n", 7), await child.EndAsync());
        Assert.Equal("", child.Error);
    }

    private static void AssertTold(string error)
    {
        Assert.StartsWith("ThreadWorker(thrower, ", error, StringComparison.Ordinal);
        Assert.Contains(" ended with an exception that its work did not catch:", error, StringComparison.Ordinal);
        Assert.Contains("System.IO.InvalidDataException: the work failed", error, StringComparison.Ordinal);
        Assert.Contains("   at Program.", error, StringComparison.Ordinal);
    }
}
