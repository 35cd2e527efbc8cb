using Switchboard.Linux;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>For whom the program acts once its sockets are bound.</summary>
internal static class RunAs
{
    /// <summary>Looks the user of a plan up; null if there is none.</summary>
    /// <exception cref="UnusableException">There is no such user or group.</exception>
    internal static Account? Find(ServePlan plan)
    {
        if (plan.Effective("user") is not { } user)
        {
            return null;
        }
        try
        {
            return Account.Find(user, plan.Effective("group"));
        }
        catch (Exception exception) when (exception is SystemCallException or ArgumentException)
        {
            throw new UnusableException($"user {user}: {exception.Message}", exception);
        }
    }

    /// <summary>Gives root's rights up.</summary>
    /// <exception cref="CommandException">The process is not root, or has kept rights.</exception>
    internal static void Become(Account account)
    {
        try
        {
            Privileges.DropTo(account);
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException)
        {
            throw new CommandException($"--user: {exception.Message}", exception);
        }
    }
}
