namespace Switchboard.Cli;

/// <summary>The words, or the configuration file, are wrong: the help has what is right. The message is the sentence that the user
/// reads.</summary>
internal sealed class MisuseException(string message) : Exception(message);
