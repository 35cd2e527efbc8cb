using Switchboard.Linux;
using Switchboard.Servers;
using Switchboard.Servers.TestChild;

// Each verb is one way in which a server depends on who starts it, and on what it was given by whoever did.
try
{
    switch (args)
    {
        case ["drop", var model, var folder, var user, .. var group]:
            await DroppingServer.RunAsync(model, folder, Account.Find(user, group.FirstOrDefault()));
            return 0;

        case ["passed", var model, .. var sockets]:
            await PassedServer.RunAsync(model, sockets);
            return 0;

        case ["become", var user, .. var group]:
            Privileges.DropTo(user, group.FirstOrDefault());
            return 0;

        case ["creation-mask", var mask, var path]:
            Console.WriteLine($"before {Convert.ToString((int)ProcessCalls.SetCreationMask((UnixFileMode)Convert.ToInt32(mask, 8)), 8)}");
            await using (var server = new UnixStreamServer($"unix:{path}", LineEcho.ServeAsync))
            {
                server.Bind();
                Console.WriteLine($"mode {(OperatingSystem.IsWindows() ? "" : Convert.ToString((int)File.GetUnixFileMode(path), 8))}");
            }
            return 0;

        default:
            await Console.Error.WriteLineAsync($"There is no such verb: {string.Join(' ', args)}.");
            return 2;
    }
}
catch (Exception exception) when (exception is InvalidOperationException or IOException or ArgumentException or FormatException)
{
    Console.WriteLine($"{exception.GetType().Name}: {exception.Message}");
    return 3;
}
