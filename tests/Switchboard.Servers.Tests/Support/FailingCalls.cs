using System.Diagnostics;

namespace Switchboard.Servers.Tests;

/// <summary>Has system calls of one thread of this process fail: by <c>strace</c>, so that nothing of the product knows of
/// it.</summary>
internal sealed class FailingCalls : IAsyncDisposable
{
    private readonly Process _strace;
    private readonly int _thread;
    private readonly string _trace;

    private FailingCalls(Process strace, int thread, string trace) => (_strace, _thread, _trace) = (strace, thread, trace);

    /// <summary>Watches calls.</summary>
    /// <param name="thread">The kernel's number of the thread.</param>
    /// <param name="calls">Which calls to watch.</param>
    /// <param name="fault">Which of them fails: its name, its place among those of its name, and the error.</param>
    internal static FailingCalls Begin(int thread, IEnumerable<string> calls, (string Call, int Place, string Error)? fault = null)
    {
        // Into a file: a pipe that is full would hold strace up, which holds the thread, for which the reader may wait.
        string trace = Path.GetTempFileName();
        // Not every machine has every call: that is what the question mark is for.
        string[] arguments = ["-o", trace, "-p", $"{thread}", "-e", $"trace={string.Join(',', calls.Select(call => "?" + call))}",
            .. fault is { } one ? (string[])["-e", $"inject={one.Call}:error={one.Error}:when={one.Place}"] : []];
        Process strace;
        try
        {
            strace = Process.Start(new ProcessStartInfo("strace", arguments) { RedirectStandardError = true })!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("There is no strace here.");
            throw;
        }
        string first = strace.StandardError.ReadLine() ?? "";
        if (!first.Contains("attached", StringComparison.Ordinal))
        {
            Assert.SkipWhen(first.Contains("Operation not permitted", StringComparison.Ordinal), $"No thread may be traced here: {first}");
            Assert.Fail($"strace says: {first}");
        }
        return new FailingCalls(strace, thread, trace);
    }

    /// <summary>Lets the thread go, once it sleeps or has ended: in the middle of a call that is made to fail, the failure
    /// would become another.</summary>
    /// <returns>The calls that were made, a line each; one that was made to fail says INJECTED.</returns>
    internal async Task<string[]> EndAsync()
    {
        if (!_strace.HasExited)
        {
            await Deadline.UntilAsync(() => StateOfThread() is "S" or "", "the thread comes to rest");
            // It may end by itself at this moment, with its thread: what kill says then is nobody's business.
            using Process kill = Process.Start(new ProcessStartInfo("kill", ["-TERM", $"{_strace.Id}"]) { RedirectStandardError = true })!;
            await kill.WaitForExitAsync().InTime();
        }
        await _strace.WaitForExitAsync().InTime();
        return await File.ReadAllLinesAsync(_trace).InTime();
    }

    private string StateOfThread()
    {
        try
        {
            string stat = File.ReadAllText($"/proc/self/task/{_thread}/stat");
            return stat.Substring(stat.LastIndexOf(')') + 2, 1);
        }
        catch (IOException)
        {
            return "";
        }
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        _strace.Dispose();
        File.Delete(_trace);
    }
}
