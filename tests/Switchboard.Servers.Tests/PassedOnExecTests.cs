using System.Net;
using System.Net.Sockets;
using Switchboard.Tests;

namespace Switchboard.Servers.Tests;

/// <summary>A program that is started with sockets, as a service manager starts it: they are its descriptors 3 and up, across a
/// real exec.</summary>
public sealed class PassedOnExecTests
{
    private const string Child = "Switchboard.Servers.TestChild";

    // Binds a TCP, a Unix and a UDP socket, says where, moves them to 3, 4 and 5, and becomes the program.
    private const string Launcher = """
        import os, socket, sys
        folder, pid, names = sys.argv[1:4]
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.bind(("127.0.0.1", 0))
        tcp.listen(5)
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.bind(folder + "/passed")
        unix.listen(5)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        print("bound", tcp.getsockname()[1], udp.getsockname()[1], flush=True)
        # Out of the way first, so that none is overwritten.
        moved = [os.dup2(s.fileno(), 40 + i) for i, s in enumerate((tcp, unix, udp))]
        for i, s in enumerate(moved):
            os.dup2(s, 3 + i, inheritable=True)
        os.closerange(6, 64)
        os.environ["LISTEN_PID"] = str(os.getpid() if pid == "own" else 1)
        os.environ["LISTEN_FDS"] = "3"
        os.environ["LISTEN_FDNAMES"] = names
        os.execvp(sys.argv[4], sys.argv[4:])
        """;

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task Sockets_are_served_by_their_names_and_no_child_inherits_them(Model model)
    {
        using var folder = new TemporaryFolder();
        using ChildProgram program = Launch(folder, "own", "web:files:data", "passed", $"{model}", "tcp:web", "unix:files", "udp:data");
        int[] ports = [.. (await program.WaitForLineAsync("bound "))[6..].Split(' ').Select(int.Parse)];
        await program.WaitForLineAsync("ready");
        Assert.Contains($"serves systemd:web as 127.0.0.1:{ports[0]}\n", program.Output, StringComparison.Ordinal);
        Assert.Contains($"serves systemd:data as 127.0.0.1:{ports[1]}\n", program.Output, StringComparison.Ordinal);
        Assert.Contains("passed 3=web 4=files 5=data\nvariables \nchild sees 0 sockets, 0 variables\n", program.Output, StringComparison.Ordinal);

        using (Caller web = await Caller.ConnectAsync(new IPEndPoint(IPAddress.Loopback, ports[0])))
        {
            await web.SayAsync("by TCP");
        }
        using (Caller files = await Caller.ConnectAsync(folder.Address("passed").EndPoint))
        {
            await files.SayAsync("by a Unix socket");
        }
        using var data = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await data.ConnectAsync(new IPEndPoint(IPAddress.Loopback, ports[1]));
        await data.SendAsync("by UDP"u8.ToArray());
        Assert.Equal(6, await data.ReceiveAsync(new byte[16].AsMemory()).InTime());

        program.Write("end\n");
        Assert.Equal((0, ""), await program.WaitForEndAsync() is var (code, _, error) ? (code, error) : default);
        // It belongs to whoever made it.
        Assert.True(File.Exists(folder.File("passed")));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Sockets_that_are_meant_for_another_process_are_not_taken()
    {
        using var folder = new TemporaryFolder();
        using ChildProgram program = Launch(folder, "another", "web:files:data", "passed", "Threads", "tcp:web");
        (int code, string output, _) = await program.WaitForEndAsync();
        Assert.Equal(3, code);
        Assert.Contains("FormatException: 'systemd:web' was asked for, and no sockets were passed to this process (LISTEN_FDS, LISTEN_PID)", output, StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_starter_that_systemd_brings_passes_a_socket_and_the_caller_who_waits_on_it()
    {
        Assert.SkipUnless(HasActivator, "systemd-socket-activate is not installed.");
        using var folder = new TemporaryFolder();
        string[] options = ["-l", folder.File("passed"), "--fdname=files", .. Handed.SelectMany(name => (string[])["-E", name])];
        using ChildProgram program = ChildProgram.Start("systemd-socket-activate", [.. options, ChildProgram.DotNet, "exec", Path.Combine(AppContext.BaseDirectory, Child + ".dll"), "passed", "Threads", "unix:files"]);
        await Deadline.UntilAsync(() => File.Exists(folder.File("passed")), "the socket is there");
        // It starts the program when the first caller comes.
        using Caller caller = await ConnectOnceItListensAsync(folder.Address("passed").EndPoint);
        await caller.SayAsync("woken");
        await program.WaitForLineAsync("ready");
        Assert.Contains("passed 3=files\n", program.Output, StringComparison.Ordinal);
        Assert.Contains("child sees 0 sockets, 0 variables\n", program.Output, StringComparison.Ordinal);
        program.Write("end\n");
        Assert.Equal(0, (await program.WaitForEndAsync()).ExitCode);
    }

    private static string[] Handed => [.. ((string[])["DOTNET_ROOT", "HOME", "PATH"]).Where(name => Environment.GetEnvironmentVariable(name) is not null)];

    private static bool HasActivator => Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, "systemd-socket-activate")));

    private static ChildProgram Launch(TemporaryFolder folder, string pid, string names, params string[] words)
    {
        string top = Path.GetDirectoryName(folder.File("x"))!;
        return ChildProgram.Start("python3", ["-c", Launcher, top, pid, names, ChildProgram.DotNet, "exec", Path.Combine(AppContext.BaseDirectory, Child + ".dll"), .. words]);
    }

    /// <summary>The file is there a little before it listens.</summary>
    private static async Task<Caller> ConnectOnceItListensAsync(EndPoint address)
    {
        Caller? caller = null;
        await Deadline.UntilAsync(() => TryConnect(), "somebody listens");
        return caller!;

        bool TryConnect()
        {
            try
            {
                caller = Caller.ConnectAsync(address).GetAwaiter().GetResult();
                return true;
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionRefused)
            {
                return false;
            }
        }
    }
}
