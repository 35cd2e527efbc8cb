using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>What the kernel knows of a thread.</summary>
public static partial class ThreadCalls
{
    /// <summary>The kernel's number of the calling thread (<c>gettid(2)</c>), as <c>top -H</c>, <c>perf</c> and
    /// <c>/proc/self/task</c> show it. Of the main thread it equals the process id.</summary>
    /// <returns>The number, above 0; the kernel gives it to another thread some time after this one has ended.</returns>
    public static int CurrentThreadId() => GetThreadId();

    [LibraryImport(LibC.Name, EntryPoint = "gettid")]
    private static partial int GetThreadId();
}
