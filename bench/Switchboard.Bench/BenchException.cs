namespace Switchboard.Bench;

/// <summary>The run cannot go on; the message is for the user. The program ends with exit code 1.</summary>
internal sealed class BenchException(string message) : Exception(message);
