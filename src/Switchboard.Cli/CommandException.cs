namespace Switchboard.Cli;

/// <summary>A command can't do what was asked. The message is the sentence that the user reads.</summary>
internal sealed class CommandException(string message, Exception? inner = null) : Exception(message, inner);
