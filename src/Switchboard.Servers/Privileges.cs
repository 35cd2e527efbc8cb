using System.Globalization;
using Switchboard.Linux;

namespace Switchboard.Servers;

/// <summary>Gives root's rights up for good, once the servers have their sockets: bind
/// (<see cref="SocketServer.Bind"/>, <see cref="ServerGroup.Bind"/>), drop, then start.</summary>
/// <remarks>Source: <c>setgroups(2)</c>, <c>setresgid(2)</c>, <c>setresuid(2)</c>, <c>capabilities(7)</c>. What is opened later (log
/// files, certificates, the program's own assemblies, the folder of a Unix socket at its end) must be open to the user. The
/// environment (HOME, USER) and the working directory stay as they are. The kernel then writes no core file, and lets nobody
/// but root look into the process (PR_SET_DUMPABLE in <c>prctl(2)</c>).</remarks>
public static class Privileges
{
    /// <summary>As <see cref="DropTo(Account)"/>, for a user that is looked up now.</summary>
    /// <param name="user">The user's name or number; not root.</param>
    /// <param name="group">The group's name or number; null for the user's own.</param>
    /// <exception cref="SystemCallException">There is no such user or group; or see <see cref="DropTo(Account)"/>.</exception>
    /// <exception cref="ArgumentException">The user is root, or a number without a name came without a group.</exception>
    /// <exception cref="InvalidOperationException">See <see cref="DropTo(Account)"/>.</exception>
    public static void DropTo(string user, string? group = null) => DropTo(Account.Find(user, group));

    /// <summary>Has the whole process, all its threads, act for a user from now on: its groups, its group, then the user itself, and
    /// with root all capabilities go. Then it looks whether every thread has these and no other rights, and whether root can't
    /// be regained. Call it once, from any thread, while the program starts.</summary>
    /// <param name="account">For whom; not root.</param>
    /// <exception cref="ArgumentException">The account is root's.</exception>
    /// <exception cref="InvalidOperationException">The process is not root, so it can't become anybody, and nothing was changed; or
    /// it kept rights, and should end at once.</exception>
    /// <exception cref="SystemCallException">The kernel refused: the message says what is missing. A part may be done already, so
    /// the program should end.</exception>
    public static void DropTo(Account account)
    {
        ArgumentNullException.ThrowIfNull(account);
        LinuxPlatform.Require();
        if (account.UserId == 0)
        {
            throw new ArgumentException($"{account} is root, who keeps all rights. Name another user.", nameof(account));
        }
        if (ProcessCalls.EffectiveUser() is not 0 and var own)
        {
            throw new InvalidOperationException(own == account.UserId
                ? $"This process acts for {account} already, so there is nothing to drop. Leave the user out."
                : $"Only root can become {account}, and this process acts for user {own}. Start it as root, or leave the user out.");
        }
        // In this order: without root's user number, the groups can't be changed any more.
        Check("setgroups", IdentityCalls.SetGroups([.. account.Groups]), account, "CAP_SETGID");
        Check("setresgid", IdentityCalls.SetGroup(account.GroupId), account, "CAP_SETGID");
        Check("setresuid", IdentityCalls.SetUser(account.UserId), account, "CAP_SETUID");
        ThreadRights.Check(account);
        if (IdentityCalls.SetUser(0).Succeeded || (account.GroupId != 0 && IdentityCalls.SetGroup(0).Succeeded))
        {
            throw new InvalidOperationException($"The process became {account} and could become root again. End it.");
        }
    }

    private static void Check(string call, CallResult result, Account account, string capability)
    {
        if (result.Succeeded)
        {
            return;
        }
        string why = result.Errno switch
        {
            Errno.NotPermitted => $"the process is root but lacks {capability}, or its user namespace forbids it. Let it keep that capability (CapabilityBoundingSet= of a systemd unit, --cap-add of a container), or start it as that user",
            Errno.InvalidArgument => "the number does not exist in the process's user namespace (/proc/self/uid_map, /proc/self/gid_map). Map it, or choose another user",
            Errno.Again => "the kernel is short of memory",
            var other => $"the kernel answered {other}",
        };
        throw new SystemCallException(call, result.Errno, $"{call} for {account} failed (errno {(int)result.Errno}): {why}.");
    }

    /// <summary>What the kernel says of each thread (<c>proc_pid_status(5)</c>).</summary>
    private static class ThreadRights
    {
        internal static void Check(Account account)
        {
            foreach (string thread in Directory.EnumerateDirectories("/proc/self/task"))
            {
                foreach (string line in StatusOf(thread))
                {
                    if (line.Split([':', '\t', ' '], StringSplitOptions.RemoveEmptyEntries) is [var name, .. var values] && !IsRight(name, values, account))
                    {
                        throw new InvalidOperationException($"The process became {account}, and its thread {Path.GetFileName(thread)} has kept rights: {line}. End it.{(name.StartsWith("Cap", StringComparison.Ordinal) ? " Something has set SECBIT_KEEP_CAPS or SECBIT_NO_SETUID_FIXUP." : "")}");
                    }
                }
            }
        }

        private static bool IsRight(string name, string[] values, Account account) => name switch
        {
            "Uid" => values.All(value => value == Written(account.UserId)),
            "Gid" => values.All(value => value == Written(account.GroupId)),
            "Groups" => values.All(value => account.Groups.Any(group => Written(group) == value)),
            "CapPrm" or "CapEff" or "CapAmb" => values.All(value => value.All(digit => digit == '0')),
            _ => true,
        };

        private static string Written(uint number) => number.ToString(CultureInfo.InvariantCulture);

        private static string[] StatusOf(string thread)
        {
            try
            {
                return File.ReadAllLines(Path.Combine(thread, "status"));
            }
            catch (IOException)
            {
                // The thread has ended meanwhile.
                return [];
            }
        }
    }
}
