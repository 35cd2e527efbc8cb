namespace Switchboard.Linux;

/// <summary>The library that every call goes to: glibc, by the name that it has on x64 and arm64. Where it is missing
/// (musl), the first call fails with a <see cref="DllNotFoundException"/> that names it.</summary>
internal static class LibC
{
    internal const string Name = "libc.so.6";
}
