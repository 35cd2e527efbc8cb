namespace Switchboard.Bench.Load;

/// <summary>What the load generator is told to do, one line of JSON.</summary>
/// <param name="Port">The server's port on 127.0.0.1.</param>
/// <param name="Callers">How many at once.</param>
/// <param name="Size">Bytes in a request.</param>
/// <param name="Reconnect">True for a new connection for each request.</param>
/// <param name="Seconds">How long to send.</param>
internal sealed record LoadRequest(int Port, int Callers, int Size, bool Reconnect, double Seconds);

/// <summary>What the load generator says, one line of JSON: first that the connections are open; told to go by an empty
/// line, what came of it. A second empty line lets it close them.</summary>
/// <param name="Requests">How many were answered.</param>
/// <param name="Errors">How many failed; the generator stops at the first.</param>
/// <param name="Seconds">How long it took, to the last answer.</param>
/// <param name="Error">What went wrong, as a sentence; null for nothing.</param>
internal sealed record LoadResult(long Requests, int Errors, double Seconds, string? Error = null);
