using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>A user of this machine.</summary>
/// <param name="Name">The name.</param>
/// <param name="Id">The number; 0 is root.</param>
/// <param name="GroupId">The number of the primary group.</param>
public readonly record struct UserEntry(string Name, uint Id, uint GroupId);

/// <summary>Calls about whom a process acts for. What sets a number sets it for all threads of the process: that is what
/// glibc's functions add to the system calls, which change one thread (<c>nptl(7)</c>). Every call may be made from any
/// thread.</summary>
public static partial class IdentityCalls
{
    private const int FirstRoom = 4 * 1024;
    private const int MostRoom = 16 * 1024 * 1024;
    private const int NoSuchEntry = 3;
    private const int OutOfRange = 34;

    // struct passwd: pw_name at 0, pw_uid at 16, pw_gid at 20, and 48 bytes in all; struct group: gr_gid at 16, and 32 bytes.
    private const int EntrySize = 48;
    private const int NumberPlace = 16;
    private const int GroupPlace = 20;

    private unsafe delegate int Lookup(byte* entry, byte* room, nint size, byte** found);

    private unsafe delegate TResult Reading<TResult>(byte* entry);

    /// <summary>Looks a user up by name (<c>getpwnam_r(3)</c>).</summary>
    /// <param name="name">The name.</param>
    /// <returns>The user, or null if there is none.</returns>
    /// <exception cref="SystemCallException">The user database can't be read.</exception>
    public static unsafe UserEntry? FindUser(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return Find("getpwnam_r", name, (entry, room, size, found) => getpwnam_r(name, entry, room, size, found), ReadUser);
    }

    /// <summary>Looks a user up by number (<c>getpwuid_r(3)</c>).</summary>
    /// <param name="id">The number.</param>
    /// <returns>The user, or null if none has the number.</returns>
    /// <exception cref="SystemCallException">The user database can't be read.</exception>
    public static unsafe UserEntry? FindUser(uint id) =>
        Find("getpwuid_r", $"user {id}", (entry, room, size, found) => getpwuid_r(id, entry, room, size, found), ReadUser);

    /// <summary>Looks a group up by name (<c>getgrnam_r(3)</c>).</summary>
    /// <param name="name">The name.</param>
    /// <returns>Its number, or null if there is none.</returns>
    /// <exception cref="SystemCallException">The group database can't be read.</exception>
    public static unsafe uint? FindGroup(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return Find("getgrnam_r", name, (entry, room, size, found) => getgrnam_r(name, entry, room, size, found), static entry => *(uint*)(entry + NumberPlace));
    }

    /// <summary>All groups that a user is in (<c>getgrouplist(3)</c>).</summary>
    /// <param name="user">The user's name.</param>
    /// <param name="group">A group that is among them in any case.</param>
    /// <returns>Their numbers.</returns>
    public static unsafe uint[] GroupsOf(string user, uint group)
    {
        ArgumentException.ThrowIfNullOrEmpty(user);
        int room = 32;
        while (true)
        {
            var groups = new uint[room];
            int count = room;
            fixed (uint* p = groups)
            {
                if (getgrouplist(user, group, p, &count) >= 0)
                {
                    return groups[..count];
                }
            }
            room = Math.Max(count, room * 2);
        }
    }

    /// <summary>Sets the supplementary groups (<c>setgroups(2)</c>).</summary>
    /// <param name="groups">Their numbers; none for no such group.</param>
    /// <returns>Success or the error; EPERM without CAP_SETGID.</returns>
    public static unsafe CallResult SetGroups(ReadOnlySpan<uint> groups)
    {
        fixed (uint* p = groups)
        {
            return CallResult.Of(setgroups((nuint)groups.Length, p));
        }
    }

    /// <summary>Sets the real, effective and saved group (<c>setresgid(2)</c>).</summary>
    /// <param name="group">The group's number.</param>
    /// <returns>Success or the error; EPERM without CAP_SETGID.</returns>
    public static CallResult SetGroup(uint group) => CallResult.Of(setresgid(group, group, group));

    /// <summary>Sets the real, effective and saved user (<c>setresuid(2)</c>). Who leaves root so loses the capabilities too, unless
    /// a thread was set to keep them (<c>capabilities(7)</c>).</summary>
    /// <param name="user">The user's number.</param>
    /// <returns>Success or the error; EPERM without CAP_SETUID.</returns>
    public static CallResult SetUser(uint user) => CallResult.Of(setresuid(user, user, user));

    private static unsafe UserEntry ReadUser(byte* entry) => new(Marshal.PtrToStringUTF8(*(nint*)entry)!, *(uint*)(entry + NumberPlace), *(uint*)(entry + GroupPlace));

    private static unsafe TResult? Find<TResult>(string call, string subject, Lookup lookup, Reading<TResult> read)
        where TResult : struct
    {
        byte* entry = stackalloc byte[EntrySize];
        for (int size = FirstRoom; ; size *= 2)
        {
            byte* found = null;
            fixed (byte* room = new byte[size])
            {
                int error = lookup(entry, room, size, &found);
                if (error == 0)
                {
                    // What the entry points to is in the room.
                    return found is null ? null : read(entry);
                }
                if (error == OutOfRange && size < MostRoom)
                {
                    continue;
                }
                // Some databases answer with an error for what they don't have; the manual lists these.
                return error is (int)Errno.NoEntry or NoSuchEntry or (int)Errno.BadDescriptor or (int)Errno.NotPermitted
                    ? null
                    : throw SystemCallException.For(call, (Errno)error, subject);
            }
        }
    }

    [LibraryImport(LibC.Name, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int getpwnam_r(string name, byte* entry, byte* room, nint size, byte** found);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int getpwuid_r(uint id, byte* entry, byte* room, nint size, byte** found);

    [LibraryImport(LibC.Name, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int getgrnam_r(string name, byte* entry, byte* room, nint size, byte** found);

    [LibraryImport(LibC.Name, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int getgrouplist(string user, uint group, uint* groups, int* count);

    [LibraryImport(LibC.Name)]
    private static unsafe partial int setgroups(nuint count, uint* groups);

    [LibraryImport(LibC.Name)]
    private static partial int setresgid(uint real, uint effective, uint saved);

    [LibraryImport(LibC.Name)]
    private static partial int setresuid(uint real, uint effective, uint saved);
}
