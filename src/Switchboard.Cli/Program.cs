using System.CommandLine;
using System.CommandLine.Invocation;
using Switchboard.Cli;

const int Failed = 1;
const int Misused = 2;

var root = new RootCommand("Answers sockets: one handler, written once, on the concurrency model that you choose.")
{
    ServeCommand.Create(),
    AskCommands.CreateStatus(),
    StopCommand.Create(),
    AskCommands.CreateEnd(),
};
ParseResult line = root.Parse(args);
if (line.Action is ParseErrorAction)
{
    foreach (var error in line.Errors)
    {
        await Console.Error.WriteLineAsync(error.Message);
    }
    return await MisusedAsync();
}
try
{
    // The commands end at signals by themselves, in their own time.
    return await line.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (MisuseException exception)
{
    await Console.Error.WriteLineAsync(exception.Message);
    return await MisusedAsync();
}
catch (UnusableException exception)
{
    await Console.Error.WriteLineAsync(exception.Message);
    return Misused;
}
catch (Exception exception) when (exception is CommandException or IOException or UnauthorizedAccessException or FormatException or PlatformNotSupportedException)
{
    await Console.Error.WriteLineAsync(exception.Message);
    return Failed;
}

async Task<int> MisusedAsync()
{
    string command = line.CommandResult.Command == root ? "switchboard" : $"switchboard {line.CommandResult.Command.Name}";
    await Console.Error.WriteLineAsync($"See: {command} --help");
    return Misused;
}
