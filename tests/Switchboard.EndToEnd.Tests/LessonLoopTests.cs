using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>A program that is one event loop: its callers, and the signals that end it.</summary>
public sealed class LessonLoopTests
{
    [Theory(Timeout = 120_000)]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task Event_loop_echoes_to_all_callers_until_a_signal_ends_it_in_order(string signal)
    {
        using ChildProgram lesson = ChildProgram.StartAssembly("Lesson", "event-loop", "0");
        string line = await lesson.WaitForLineAsync("listening on ");
        var address = IPEndPoint.Parse(line["listening on ".Length..]);
        Socket[] callers = [.. Enumerable.Range(0, 3).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))];
        byte[] answer = new byte[8];
        foreach (Socket caller in callers)
        {
            await caller.ConnectAsync(address, TestContext.Current.CancellationToken);
        }
        foreach (Socket caller in callers)
        {
            await caller.SendAsync("hello"u8.ToArray(), TestContext.Current.CancellationToken);
            int count = 0;
            while (count < 5)
            {
                count += await caller.ReceiveAsync(answer.AsMemory(count), TestContext.Current.CancellationToken);
            }
            Assert.Equal("hello"u8, answer.AsSpan(0, count));
        }
        callers[0].Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await callers[0].ReceiveAsync(answer, TestContext.Current.CancellationToken));

        using Process shell = Process.Start("/bin/sh", ["-c", $"kill -{signal} {lesson.Id}"]);
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        (int exitCode, string output, string error) = await lesson.WaitForEndAsync();
        Assert.Equal((0, ""), (exitCode, error));
        Assert.EndsWith("2 are still here\n", output, StringComparison.Ordinal);
        Array.ForEach(callers, caller => caller.Dispose());
    }
}
