namespace Switchboard.Servers.Tests;

/// <summary>Has the descriptors and threads of the process to itself, and so can count them.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

internal static class Descriptors
{
    /// <summary>The sockets, event counters and epoll instances that are open, as the kernel names them.</summary>
    internal static string[] OfKernel() =>
        [.. from path in Directory.GetFiles("/proc/self/fd")
            let target = new FileInfo(path).LinkTarget
            where target?.StartsWith("socket:", StringComparison.Ordinal) == true || target?.StartsWith("anon_inode:", StringComparison.Ordinal) == true
            select $"{Path.GetFileName(path)} {target}"];
}
