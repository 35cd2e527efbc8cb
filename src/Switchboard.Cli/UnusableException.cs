namespace Switchboard.Cli;

/// <summary>What the words name, a handler or a file, is not there or can't be used, so that the same words will fail again. The
/// message is the sentence that the user reads.</summary>
internal sealed class UnusableException(string message, Exception? inner = null) : Exception(message, inner);
