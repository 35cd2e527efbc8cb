using Microsoft.Extensions.Logging;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Binds the control socket of a program that serves.</summary>
internal static class ControlSocket
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Binds it, where the plan says, for the user whom the program will act for. Null if it says none, or nothing, and it
    /// can't be at the usual place, which the log tells then.</summary>
    /// <exception cref="CommandException">It can't be where the plan says.</exception>
    internal static async Task<ControlServer?> BindAsync(ServePlan plan, IReadOnlyDictionary<string, ControlCommand> commands, ILoggerFactory loggers)
    {
        string? asked = plan.Effective("control");
        string? name = plan.Effective("name");
        if (asked == ControlPath.None || (asked ?? ControlPath.OfThis(name)) is not { } path)
        {
            return null;
        }
        ControlServer? server = null;
        try
        {
            if (asked is null && !OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(ControlPath.Folder!, OwnerOnly);
                ControlPath.RemoveDead();
            }
            server = new ControlServer($"unix:{path}", commands, loggers, plan.Effective("user"));
            server.Bind();
            return server;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException)
        {
            if (server is not null)
            {
                await server.DisposeAsync();
            }
            if (asked is not null || name is not null)
            {
                throw new CommandException($"The control socket can't be at {path}: {exception.Message} Choose another place with --control, or --control {ControlPath.None}.", exception);
            }
            // Nobody asked for it, so nobody is kept from serving: it is for status only.
            Log.NoControl(loggers.CreateLogger(nameof(ControlSocket)), path, exception.Message);
            return null;
        }
    }
}
