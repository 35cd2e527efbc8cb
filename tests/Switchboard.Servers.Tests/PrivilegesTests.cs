using System.Diagnostics;
using System.Globalization;
using System.Net;
using Switchboard.Linux;
using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

/// <summary>A server that binds as root and then acts for another user: a child of this process, which must be root's.</summary>
public sealed class PrivilegesTests
{
    public static TheoryData<Model, string, string?, string> Accounts
    {
        get
        {
            var rows = new TheoryData<Model, string, string?, string>();
            foreach (Model model in Enum.GetValues<Model>())
            {
                rows.Add(model, "nobody", null, "65534 65534 [65534]");
            }
            rows.Add(Model.Threads, "65534", null, "65534 65534 [65534]");
            rows.Add(Model.OneLoop, "54321", "54322", "54321 54322 []");
            rows.Add(Model.Tasks, "nobody", "54322", "65534 54322 [54322]");
            return rows;
        }
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Accounts))]
    public async Task A_server_binds_as_root_and_serves_as_another_who_can_not_become_root_again(Model model, string user, string? group, string expected)
    {
        using var place = new RootlessPlace(user, group, ownsFolder: true);
        using ChildProgram child = place.Start("drop", $"{model}", place.Folder, user, group);
        int port = int.Parse((await child.WaitForLineAsync("serves "))[7..], CultureInfo.InvariantCulture);
        Assert.InRange(port, 1, 1023);

        using Caller caller = await Caller.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        await caller.SayAsync("by a low port");
        using (Caller local = await Caller.ConnectAsync(place.Address("echo").EndPoint))
        {
            // Sequential serves one after the other, so this one may have to wait.
            await local.SendAsync("by a file\n");
            if (model == Model.Sequential)
            {
                caller.Dispose();
            }
            await local.ExpectAsync("by a file\n");
        }

        string[] threads = [.. Directory.EnumerateDirectories($"/proc/{child.Id}/task").Select(RightsOf).OfType<string>()];
        Assert.True(threads.Length > 3, $"There are {threads.Length} threads.");
        Assert.All(threads, rights => Assert.Equal(expected + " no capabilities", rights));

        child.Write("end\n");
        (int code, string output, string error) = await child.WaitForEndAsync();
        Assert.Contains("user NotPermitted\ngroup NotPermitted\ngroups NotPermitted\n", output, StringComparison.Ordinal);
        if (FirstUnprivilegedPort > 1023)
        {
            Assert.Contains("port AccessDenied\n", output, StringComparison.Ordinal);
        }
        Assert.Equal("", error);
        Assert.Equal(0, code);
        // The folder is the user's, so it could clear up.
        Assert.Empty(Directory.GetFiles(place.Folder));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_files_of_its_sockets_belong_to_the_user_and_are_left_behind_in_a_folder_of_root()
    {
        using var place = new RootlessPlace("nobody", "54322", ownsFolder: false);
        using ChildProgram child = place.Start("drop", "Threads", place.Folder, "nobody", "54322");
        await child.WaitForLineAsync("serves ");
        Assert.Equal("65534:54322:660", await OutputOfAsync("stat", "-c", "%u:%g:%a", $"{place.Folder}/echo"));
        Assert.Equal("65534:0:600", await OutputOfAsync("stat", "-c", "%u:%g:%a", $"{place.Folder}/control"));
        const string ask = "{\"command\":\"who\"}";
        Assert.Equal("{\"user\":65534}", await OutputOfAsync("sh", "-c", $"echo '{ask}' | nc -N -U {place.Folder}/control"));
        Assert.Equal("{\"user\":65534}", await OutputOfAsync("setpriv", "--reuid=65534", "--regid=54323", "--clear-groups", "sh", "-c", $"echo '{ask}' | nc -N -U {place.Folder}/control"));

        child.Write("end\n");
        (int code, _, string error) = await child.WaitForEndAsync();
        Assert.Equal(0, code);
        Assert.Contains("leaves its socket's file behind", error, StringComparison.Ordinal);
        Assert.True(File.Exists($"{place.Folder}/echo"));
        // Nobody answers on it, so the next start takes it away.
        await using var next = new UnixStreamServer(place.Address("echo"), LineEcho.ServeAsync);
        await next.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(next);
        await caller.SayAsync("next");
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("InvalidOperationException: Only root can become 54321 (54321:54322), and this process acts for user 65534. Start it as root", "--reuid=65534", "--regid=65534", "--clear-groups")]
    [InlineData("InvalidOperationException: This process acts for 54321 (54321:54322) already", "--reuid=54321", "--regid=54322", "--clear-groups")]
    [InlineData("lacks CAP_SETGID", "--bounding-set=-setgid")]
    [InlineData("lacks CAP_SETUID", "--bounding-set=-setuid")]
    [InlineData("has kept rights: CapPrm:", "--securebits=+no_setuid_fixup")]
    public async Task What_is_missing_or_left_is_said(string expected, params string[] options)
    {
        using var place = new RootlessPlace("54321", "54322", ownsFolder: true);
        // For who is not root from the start there is no low port.
        string verb = options.Length > 1 ? "become" : "drop";
        string[] words = verb == "drop" ? ["drop", "Threads", place.Folder, "54321", "54322"] : ["become", "54321", "54322"];
        using ChildProgram child = ChildProgram.Start("setpriv", [.. options, ChildProgram.DotNet, "exec", place.Program, .. words]);
        (int code, string output, _) = await child.WaitForEndAsync();
        Assert.Contains(expected, output, StringComparison.Ordinal);
        Assert.Equal(3, code);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_umask_is_set_for_new_files()
    {
        using var folder = new TemporaryFolder();
        using ChildProgram child = ChildProgram.StartAssemblyInShell("umask 022 && exec \"$@\"", RootlessPlace.Assembly, "creation-mask", "137", folder.File("echo"));
        (_, string output, _) = await child.WaitForEndAsync();
        Assert.Equal("before 22\nmode 640\n", output);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_unix_socket_for_a_user_who_is_not_there_is_not_made(bool stream)
    {
        using var folder = new TemporaryFolder();
        var options = new ServerOptions { Socket = new() { UnixGroup = "no-such-group" } };
        await using SocketServer server = stream
            ? new UnixStreamServer(folder.Address("echo"), LineEcho.ServeAsync, options: options)
            : new UnixDatagramServer(folder.Address("echo"), (_, _) => Task.CompletedTask, options: options);
        Assert.Contains("no group 'no-such-group'", Assert.Throws<SystemCallException>(server.Bind).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(folder.File("echo")));
        Assert.Contains("4294967294", Assert.Throws<ArgumentException>(() => new Polling.ListenerOptions { UnixUser = "4294967295" }).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new Polling.ListenerOptions { UnixGroup = "" });
    }

    [Fact]
    public void An_account_is_found_by_name_or_number_and_else_said_to_be_missing()
    {
        Account root = Account.Find("root");
        Assert.Equal((0u, 0u), (root.UserId, root.GroupId));
        Assert.Contains(0u, root.Groups);
        Assert.Equal("0 (0:0)", $"{Account.Find("0")}");
        Account unnamed = Account.Find("54321", "root");
        Assert.Equal((54321u, 0u, 0), (unnamed.UserId, unnamed.GroupId, unnamed.Groups.Count));

        Assert.Contains("no user 'no-such-user'", Assert.Throws<SystemCallException>(() => Account.Find("no-such-user")).Message, StringComparison.Ordinal);
        Assert.Contains("no group 'no-such-group'", Assert.Throws<SystemCallException>(() => Account.Find("root", "no-such-group")).Message, StringComparison.Ordinal);
        Assert.Contains("Say which group", Assert.Throws<ArgumentException>(() => Account.Find("54321")).Message, StringComparison.Ordinal);
        Assert.Contains("4294967294", Assert.Throws<ArgumentException>(() => Account.Find("4294967295", "root")).Message, StringComparison.Ordinal);
        Assert.Contains("4294967294", Assert.Throws<ArgumentException>(() => Account.Find("root", "99999999999")).Message, StringComparison.Ordinal);
        Assert.Contains("is root, who keeps all rights", Assert.Throws<ArgumentException>(() => Privileges.DropTo("root")).Message, StringComparison.Ordinal);
    }

    private static int FirstUnprivilegedPort => int.Parse(File.ReadAllText("/proc/sys/net/ipv4/ip_unprivileged_port_start"), CultureInfo.InvariantCulture);

    /// <summary>Whom a thread acts for, as the kernel tells; null if it has ended meanwhile.</summary>
    private static string? RightsOf(string thread)
    {
        try
        {
            Dictionary<string, string[]> status = File.ReadAllLines(Path.Combine(thread, "status")).Select(line => line.Split(':', 2))
                .ToDictionary(parts => parts[0], parts => parts[1].Split((char[])['\t', ' '], StringSplitOptions.RemoveEmptyEntries));
            bool isPowerless = ((string[])["CapPrm", "CapEff", "CapAmb"]).All(name => status[name] is ["0000000000000000"]);
            return $"{string.Join(' ', status["Uid"].Distinct())} {string.Join(' ', status["Gid"].Distinct())} [{string.Join(' ', status["Groups"])}] {(isPowerless ? "no capabilities" : "capabilities")}";
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static async Task<string> OutputOfAsync(string file, params string[] arguments)
    {
        using ChildProgram program = ChildProgram.Start(file, arguments);
        program.CloseInput();
        (_, string output, string error) = await program.WaitForEndAsync();
        return output.TrimEnd() + error;
    }

    /// <summary>The child program in a folder that every user may read, and a folder for its sockets.</summary>
    private sealed class RootlessPlace : IDisposable
    {
        private const UnixFileMode Open = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

        internal const string Assembly = "Switchboard.Servers.TestChild";

        private readonly TemporaryFolder _top = new();

        internal RootlessPlace(string user, string? group, bool ownsFolder)
        {
            Assert.SkipUnless(ProcessCalls.EffectiveUser() == 0, "Only root can become another user: run the tests as root.");
            Account account = Account.Find(user, group);
            Folder = _top.File("sockets");
            // The place of the tests may be closed to others, and .NET loads assemblies when they are first needed.
            Directory.CreateDirectory(_top.File("program"));
            foreach (string file in Directory.EnumerateFiles(AppContext.BaseDirectory).Where(IsOfChild))
            {
                File.Copy(file, _top.File(Path.Combine("program", Path.GetFileName(file))));
            }
            Directory.CreateDirectory(Folder);
            foreach (string folder in (string[])[_top.File("."), _top.File("program"), Folder])
            {
                SetOpen(folder);
            }
            if (ownsFolder)
            {
                FileCalls.SetOwner(Folder, account.UserId, account.GroupId).OrThrow("chown", Folder);
            }
            using var test = Process.Start("setpriv", ["--reuid=54321", "--regid=54321", "--clear-groups", "test", "-r", typeof(object).Assembly.Location]);
            test.WaitForExit();
            Assert.SkipUnless(test.ExitCode == 0, $"The runtime's files ({typeof(object).Assembly.Location}) can't be read by other users.");
        }

        internal string Folder { get; }

        internal string Program => _top.File(Path.Combine("program", Assembly + ".dll"));

        internal ServerAddress Address(string name) => $"unix:{Folder}/{name}";

        internal ChildProgram Start(params string?[] words) => ChildProgram.Start(ChildProgram.DotNet, ["exec", Program, .. words.OfType<string>()]);

        public void Dispose() => _top.Dispose();

        private static bool IsOfChild(string path) => Path.GetFileName(path) is var name
            && (name.StartsWith(Assembly, StringComparison.Ordinal)
                || (name.EndsWith(".dll", StringComparison.Ordinal) && (((string[])["Switchboard.", "Microsoft.Extensions.", "System."]).Any(start => name.StartsWith(start, StringComparison.Ordinal)))));

        private static void SetOpen(string folder)
        {
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(folder, Open);
            }
        }
    }
}
