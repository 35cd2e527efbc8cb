using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Switchboard.Cli;

/// <summary><c>switchboard status</c> and <c>end</c>, and what they have in common with <c>stop</c>: they ask a program that serves, over
/// its control socket.</summary>
internal static class AskCommands
{
    private static readonly JsonSerializerOptions _written = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static Command CreateStatus()
    {
        var json = new Option<bool>("--json") { Description = "As one JSON object." };
        var connections = new Option<bool>("--connections") { Description = "List the open connections too." };
        return Asking("status", "Tells what a program that serves is doing.", [json, connections],
            async (line, client) =>
            {
                JsonObject answer = await client.AskAsync(new JsonObject { ["command"] = ControlCommands.Status, ["connections"] = line.GetValue(connections) });
                return line.GetValue(json) ? answer.ToJsonString(_written) : StatusTable.Of(answer);
            });
    }

    internal static Command CreateEnd()
    {
        var id = new Argument<long>("id") { Description = "The connection's id, from status --connections." };
        return Asking("end", "Ends one connection of a program that serves.", [id],
            async (line, client) =>
            {
                JsonObject answer = await client.AskAsync(new JsonObject { ["command"] = ControlCommands.End, ["id"] = line.GetValue(id) });
                return $"Connection {answer["ended"]} was ended.";
            });
    }

    /// <summary>A command that asks a program.</summary>
    /// <param name="name">The command's name.</param>
    /// <param name="help">What it does.</param>
    /// <param name="words">Its options and arguments, beside those that say which program is meant.</param>
    /// <param name="ask">Asks, and gives what is told then.</param>
    internal static Command Asking(string name, string help, Symbol[] words, Func<ParseResult, ControlClient, Task<string>> ask)
    {
        var control = new Option<string?>("--control") { Description = "The path of the program's control socket.", HelpName = "PATH" };
        var pid = new Option<int?>("--pid") { Description = "The program's process number.", HelpName = "N" };
        var named = new Option<string?>("--name") { Description = "The name that the program was given with serve --name.", HelpName = "NAME" };
        var command = new Command(name, $"{help} Which one is said by one of the options, and need not be said where only one runs.") { control, pid, named };
        foreach (Symbol word in words)
        {
            if (word is Option option)
            {
                command.Add(option);
            }
            else
            {
                command.Add((Argument)word);
            }
        }
        command.SetAction(async line =>
        {
            string path = PathOf(line.GetValue(control), line.GetValue(named) ?? line.GetValue(pid)?.ToString(CultureInfo.InvariantCulture));
            using ControlClient client = await ControlClient.ConnectAsync(path);
            await line.InvocationConfiguration.Output.WriteLineAsync(await ask(line, client));
            return 0;
        });
        return command;
    }

    private static string PathOf(string? control, string? name)
    {
        if (control is not null && name is not null)
        {
            throw new MisuseException("Say with one of --control, --pid and --name which program is meant.");
        }
        if ((control ?? (name is null ? null : ControlPath.Of(name))) is { } path)
        {
            return path;
        }
        string[] live = [.. ControlPath.Live];
        return live switch
        {
            [var only] => only,
            [] => throw new CommandException($"No program that serves was found{(ControlPath.Folder is { } folder ? $" in {folder}" : ": XDG_RUNTIME_DIR is not set")}. Say which is meant with --control PATH."),
            _ => throw new CommandException($"Several programs serve: say which is meant with --pid or --name. There are {string.Join(", ", live.Select(Path.GetFileNameWithoutExtension))}."),
        };
    }
}
