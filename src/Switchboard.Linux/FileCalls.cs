using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>Which file a path means: two paths with the same identity are the same file.</summary>
/// <param name="DeviceMajor">The device, first part.</param>
/// <param name="DeviceMinor">The device, second part.</param>
/// <param name="Inode">The file on that device.</param>
/// <param name="IsSocket">True for the file of a Unix socket.</param>
public readonly record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode, bool IsSocket);

/// <summary>What .NET does not tell of files.</summary>
public static partial class FileCalls
{
    private const int CurrentDirectory = -100;
    private const int DoNotFollowLinks = 0x100;
    private const uint TypeAndInode = 0x101;
    private const uint Owner = 0x8;
    private const int TypeMask = 0xF000;
    private const int SocketType = 0xC000;

    /// <summary>What a path means now, as <c>statx(2)</c>; links are not followed.</summary>
    /// <param name="path">The path.</param>
    /// <returns>The file, or null if there is none or it can't be looked at.</returns>
    public static unsafe FileIdentity? Identify(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        // struct statx: stx_mode at 28, stx_ino at 32, stx_dev_major and stx_dev_minor at 136 and 140.
        byte* status = stackalloc byte[256];
        if (statx(CurrentDirectory, path, DoNotFollowLinks, TypeAndInode, status) != 0)
        {
            return null;
        }
        return new FileIdentity(*(uint*)(status + 136), *(uint*)(status + 140), *(ulong*)(status + 32), (*(ushort*)(status + 28) & TypeMask) == SocketType);
    }

    /// <summary>To whom a file or folder belongs, as <c>statx(2)</c>; links are followed.</summary>
    /// <param name="path">The path.</param>
    /// <returns>The user's number, or null if there is no such file or it can't be looked at.</returns>
    public static unsafe uint? OwnerOf(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        // struct statx: stx_uid at 20.
        byte* status = stackalloc byte[256];
        return statx(CurrentDirectory, path, 0, Owner, status) == 0 ? *(uint*)(status + 20) : null;
    }

    /// <summary>Gives a file to a user, a group or both, as <c>lchown(2)</c>: of a link the link itself.</summary>
    /// <param name="path">The path.</param>
    /// <param name="user">The user's number; null to leave it.</param>
    /// <param name="group">The group's number; null to leave it.</param>
    /// <returns>Success or the error: only root gives files away, and others give theirs to groups that they are in.</returns>
    public static CallResult SetOwner(string path, uint? user, uint? group)
    {
        ArgumentNullException.ThrowIfNull(path);
        return CallResult.Of(lchown(path, user ?? uint.MaxValue, group ?? uint.MaxValue), Marshal.GetLastPInvokeError());
    }

    [LibraryImport(LibC.Name, StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int lchown(string path, uint user, uint group);

    [LibraryImport(LibC.Name, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int statx(int directory, string path, int flags, uint mask, byte* status);
}
