using System.Net;
using System.Text.Json.Nodes;
using Switchboard.Linux;

namespace Switchboard.Servers.TestChild;

/// <summary>Binds as root a port below 1024, a Unix socket and a control socket, becomes a user, serves until it reads a line, and
/// says what it may not do any more.</summary>
internal static class DroppingServer
{
    private const int FirstLowPort = 600;
    private const int LastLowPort = 1023;

    internal static async Task RunAsync(string model, string folder, Account account)
    {
        var options = new ServerOptions
        {
            Socket = new()
            {
                UnixMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite,
                UnixUser = $"{account.UserId}",
                UnixGroup = $"{account.GroupId}",
            },
        };
        var commands = new Dictionary<string, ControlCommand> { ["who"] = (_, _) => ValueTask.FromResult(new JsonObject { ["user"] = ProcessCalls.EffectiveUser() }) };
        await using var control = new ControlServer($"unix:{folder}/control", commands, owner: $"{account.UserId}");
        control.Bind();
        await using ServerGroup group = BindLow(() => LineEcho.Model(model), $"unix:{folder}/echo", options);

        Privileges.DropTo(account);

        await group.StartAsync();
        await control.StartAsync();
        Console.WriteLine($"serves {((IPEndPoint)group.Servers[0].LocalEndPoint!).Port}");
        Console.ReadLine();
        Console.WriteLine($"user {IdentityCalls.SetUser(0)}");
        Console.WriteLine($"group {IdentityCalls.SetGroup(0)}");
        Console.WriteLine($"groups {IdentityCalls.SetGroups([0])}");
        try
        {
            await using ServerGroup another = BindLow(Concurrency.Sequential, $"unix:{folder}/another", options);
            Console.WriteLine("port taken");
        }
        catch (ServerGroupException exception)
        {
            Console.WriteLine($"port {((SystemCallException)exception.InnerException!).Errno}");
        }
        await group.StopAsync();
    }

    private static ServerGroup BindLow(Func<Concurrency> model, string unix, ServerOptions options)
    {
        for (int port = FirstLowPort; ; port++)
        {
            Concurrency concurrency = model();
            var group = new ServerGroup(
                new TcpServer(new IPEndPoint(IPAddress.Loopback, port), LineEcho.ServeAsync, concurrency, options),
                new UnixStreamServer(unix, LineEcho.ServeAsync, concurrency, options));
            try
            {
                group.Bind();
                return group;
            }
            catch (ServerGroupException exception) when (exception.InnerException is AddressInUseException && port < LastLowPort)
            {
                // Somebody else has that one.
            }
        }
    }
}
