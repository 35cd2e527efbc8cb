using System.Globalization;

namespace Switchboard.Servers;

/// <summary>What the kernel allows.</summary>
internal static class KernelLimits
{
    /// <summary>net.core.somaxconn, or null where it can't be read.</summary>
    internal static int? MaxBacklog()
    {
        const string path = "/proc/sys/net/core/somaxconn";
        return File.Exists(path) && int.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out int value) ? value : null;
    }
}
