using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>Whether this library can work here.</summary>
public static class LinuxPlatform
{
    /// <summary>Checks that the process runs on Linux, x64 or arm64.</summary>
    /// <exception cref="PlatformNotSupportedException">It does not.</exception>
    public static void Require()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture is not (Architecture.X64 or Architecture.Arm64))
        {
            throw new PlatformNotSupportedException($"Switchboard needs Linux on x64 or arm64 with glibc 2.34 or later; this is {RuntimeInformation.RuntimeIdentifier}.");
        }
    }
}
