using System.Diagnostics;

namespace Switchboard.Servers.TestChild;

/// <summary>Serves on the sockets that whoever started this program passed to it, says what a child of its own still sees of them,
/// and ends when it reads a line.</summary>
internal static class PassedServer
{
    /// <param name="model">The concurrency model.</param>
    /// <param name="sockets">KIND:NAME for each: tcp, unix or udp, and the name that it was passed by.</param>
    internal static async Task RunAsync(string model, string[] sockets)
    {
        await using var group = new ServerGroup(sockets.Select(socket => socket.Split(':', 2)).Select(words => Make(words[0], $"systemd:{words[1]}", LineEcho.Model(model))));
        await group.StartAsync();
        foreach (SocketServer server in group.Servers)
        {
            Console.WriteLine($"serves {server.Address} as {server.LocalEndPoint}");
        }
        Console.WriteLine($"passed {string.Join(' ', SystemdSockets.Passed.Select(socket => $"{socket.Descriptor}={socket.Name}"))}");
        Console.WriteLine($"variables {string.Join(' ', Environment.GetEnvironmentVariables().Keys.Cast<string>().Where(name => name.StartsWith("LISTEN_", StringComparison.Ordinal)))}");
        // A child of this one has its own three descriptors, and the folder that ls reads.
        using Process child = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "echo \"child sees $(ls -l /proc/self/fd | grep -c socket:) sockets, $(env | grep -c ^LISTEN_) variables\""]) { RedirectStandardOutput = true, RedirectStandardInput = true, RedirectStandardError = true })!;
        Console.Write(await child.StandardOutput.ReadToEndAsync());
        Console.WriteLine("ready");
        Console.ReadLine();
        await group.StopAsync();
    }

    private static SocketServer Make(string kind, ServerAddress address, Concurrency model) => kind switch
    {
        "tcp" => new TcpServer(address, LineEcho.ServeAsync, model),
        "unix" => new UnixStreamServer(address, LineEcho.ServeAsync, model),
        "udp" => new UdpServer(address, (datagram, stop) => datagram.ReplyAsync(datagram.Data, stop).AsTask(), model),
        _ => throw new ArgumentException($"There is no kind {kind}.", nameof(kind)),
    };
}
