using System.Globalization;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>Users and groups as options write them: by name, or by number where there are digits only.</summary>
internal static class AccountNames
{
    /// <exception cref="SystemCallException">No user has the name.</exception>
    internal static uint UserId(string user) => IsNumber(user, out uint id) ? id : FindUser(user).Id;

    /// <exception cref="SystemCallException">No user has the name.</exception>
    internal static UserEntry FindUser(string name) => IdentityCalls.FindUser(name)
        ?? throw new SystemCallException("getpwnam_r", Errno.NoEntry, $"There is no user '{name}' on this machine. Make one (useradd --system), or write another name or a number.");

    /// <exception cref="SystemCallException">No group has the name.</exception>
    internal static uint GroupId(string group) => IsNumber(group, out uint id) ? id : IdentityCalls.FindGroup(group)
        ?? throw new SystemCallException("getgrnam_r", Errno.NoEntry, $"There is no group '{group}' on this machine. Make one (groupadd --system), or write another name or a number.");

    /// <summary>What an option may be set to; whether there is such an account is known when it is looked up.</summary>
    /// <exception cref="ArgumentException">It is empty, or a number that no user or group can have.</exception>
    internal static string? Checked(string? account)
    {
        if (account is not null)
        {
            IsNumber(account, out _);
        }
        return account;
    }

    /// <exception cref="ArgumentException">There are digits only, and no user or group can have the number.</exception>
    internal static bool IsNumber(string text, out uint id)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        id = 0;
        if (!text.All(char.IsAsciiDigit))
        {
            return false;
        }
        // The highest number means "leave it" to the kernel.
        return uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id) && id != uint.MaxValue
            ? true
            : throw new ArgumentException($"'{text}' is no user or group: their numbers go from 0 to 4294967294.", nameof(text));
    }
}
