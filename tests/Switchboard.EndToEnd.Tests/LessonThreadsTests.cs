using System.Diagnostics;

namespace Switchboard.EndToEnd.Tests;

public sealed class LessonThreadsTests
{
    private const int Limit = 60_000;

    [Fact(Timeout = Limit)]
    public async Task Threads_prints_ten_numbers_and_then_each_property()
    {
        using Process lesson = Start("threads");
        string[] lines = await LinesAsync(lesson);
        Assert.Equal(Enumerable.Range(0, 10).Select(i => $"{i}"), lines.Take(10).Order());
        Assert.Equal(
            [
                "name: ThreadWorker-11",
                "name: sleeper",
                "background: False",
                "alive before start: False",
                "alive after start: True",
                "joined in 100 ms: False",
                "alive after join: False",
                "run: greeter",
            ],
            lines.Skip(10));
        Assert.Equal(0, lesson.ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task A_background_thread_ends_with_the_main_one()
    {
        // The pause is longer than this test may take.
        using Process lesson = Start("threads", "background", $"{2 * Limit}");
        Assert.Equal(["end of main"], await LinesAsync(lesson));
        Assert.Equal(0, lesson.ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task A_foreground_thread_keeps_the_program_alive()
    {
        using Process lesson = Start("threads", "foreground", "200");
        Assert.Equal(["end of main", "end of thread"], await LinesAsync(lesson));
        Assert.Equal(0, lesson.ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task Thread_lock_counts_to_ten_in_order()
    {
        long begun = Stopwatch.GetTimestamp();
        using Process lesson = Start("thread-lock", "20");
        Assert.Equal(Enumerable.Range(1, 10).Select(i => $"{i}"), await LinesAsync(lesson));
        Assert.True(Stopwatch.GetElapsedTime(begun) >= TimeSpan.FromMilliseconds(200), "The pauses overlap, so the lock was not held.");
        Assert.Equal(0, lesson.ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task Thread_event_holds_the_even_ones_until_it_reads_true()
    {
        using Process lesson = Start("thread-event");
        var before = new List<string>();
        while (before.Count < 15)
        {
            before.Add(await lesson.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken)
                ?? throw new InvalidDataException($"The lesson ended after: {string.Join("; ", before)}"));
        }
        Assert.Equal(
            [.. Enumerable.Range(0, 5).Select(i => $"execute {2 * i + 1}"), .. Enumerable.Range(0, 10).Select(i => $"start,{i}")],
            before.Order(StringComparer.Ordinal));
        await lesson.StandardInput.WriteAsync("not yet\ntrue\n".AsMemory(), TestContext.Current.CancellationToken);
        lesson.StandardInput.Close();
        Assert.Equal(Enumerable.Range(0, 5).Select(i => $"execute {2 * i}"), (await LinesAsync(lesson)).Order());
        Assert.Equal(0, lesson.ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task Thread_event_says_so_when_its_input_ends()
    {
        using Process lesson = Start("thread-event");
        lesson.StandardInput.Close();
        Assert.Equal("The input ended without the line true, so the threads that wait are given up.\n",
            await lesson.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        await lesson.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(1, lesson.ExitCode);
    }

    private static Process Start(params string[] arguments) => Process.Start(
        new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Lesson"), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;

    private static async Task<string[]> LinesAsync(Process lesson)
    {
        try
        {
            string output = await lesson.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await lesson.WaitForExitAsync(TestContext.Current.CancellationToken);
            return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
        finally
        {
            lesson.Kill();
        }
    }
}
