using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A user and its groups, for whom a process can act (<see cref="Privileges.DropTo(Account)"/>). Any thread may use
/// it.</summary>
public sealed class Account
{
    private readonly string _name;

    private Account(string name, uint userId, uint groupId, uint[] groups)
    {
        _name = name;
        UserId = userId;
        GroupId = groupId;
        Groups = groups;
    }

    /// <summary>The user's number; 0 is root.</summary>
    public uint UserId { get; }

    /// <summary>The group's number.</summary>
    public uint GroupId { get; }

    /// <summary>All groups that the user is in, <see cref="GroupId"/> too; none of a number that has no name.</summary>
    public IReadOnlyList<uint> Groups { get; }

    /// <summary>Looks a user up.</summary>
    /// <param name="user">The user's name, or the number, which need not have a name.</param>
    /// <param name="group">The group's name or number, in place of the user's primary group; null for that one. The user's other
    /// groups stay.</param>
    /// <returns>The user.</returns>
    /// <exception cref="SystemCallException">There is no such user or group, or they can't be looked up.</exception>
    /// <exception cref="ArgumentException">A number without a name came without a group; or it is beyond 4294967294.</exception>
    /// <remarks>Source: <c>getpwnam(3)</c>, <c>getgrnam(3)</c>, <c>getgrouplist(3)</c>.</remarks>
    public static Account Find(string user, string? group = null)
    {
        LinuxPlatform.Require();
        UserEntry? entry = AccountNames.IsNumber(user, out uint id) ? IdentityCalls.FindUser(id) : AccountNames.FindUser(user);
        if (entry is { } known)
        {
            uint groupId = group is null ? known.GroupId : AccountNames.GroupId(group);
            return new Account(user, known.Id, groupId, IdentityCalls.GroupsOf(known.Name, groupId));
        }
        return group is null
            ? throw new ArgumentException($"User {user} has no name on this machine, and so no group of its own. Say which group.", nameof(group))
            : new Account(user, id, AccountNames.GroupId(group), []);
    }

    /// <summary>The name that it was found by, and the numbers.</summary>
    /// <returns>For example <c>www-data (33:33)</c>.</returns>
    public override string ToString() => $"{_name} ({UserId}:{GroupId})";
}
