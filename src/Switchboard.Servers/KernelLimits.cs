using System.Globalization;

namespace Switchboard.Servers;

/// <summary>What the kernel allows.</summary>
internal static class KernelLimits
{
    /// <summary>How many descriptors this process may have (<c>ulimit -n</c>), or null where it can't be read.</summary>
    internal static int? MaxDescriptors()
    {
        const string path = "/proc/self/limits";
        const string name = "Max open files";
        return File.Exists(path)
            && File.ReadLines(path).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is { } line
            && int.TryParse(line[name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], CultureInfo.InvariantCulture, out int value) ? value : null;
    }

    /// <summary>net.core.somaxconn, or null where it can't be read.</summary>
    internal static int? MaxBacklog()
    {
        const string path = "/proc/sys/net/core/somaxconn";
        return File.Exists(path) && int.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out int value) ? value : null;
    }
}
