namespace Switchboard.Bench.Load;

/// <summary>The server did not answer as it should.</summary>
internal sealed class LoadException(string message) : Exception(message);
