namespace Switchboard.Bench.Load;

/// <summary>What the load generator is told to do, one line of JSON.</summary>
/// <param name="Port">The server's port on 127.0.0.1.</param>
/// <param name="Callers">How many at once.</param>
/// <param name="Size">Bytes in a request.</param>
/// <param name="Reconnect">True for a new connection for each request.</param>
/// <param name="Seconds">How long to send.</param>
/// <param name="Kind">Over what.</param>
internal sealed record LoadRequest(int Port, int Callers, int Size, bool Reconnect, double Seconds, LoadKind Kind = LoadKind.Tcp);

/// <summary>What requests go over.</summary>
internal enum LoadKind
{
    /// <summary>TCP.</summary>
    Tcp,
    /// <summary>TLS 1.3 over TCP; a new connection is a full handshake.</summary>
    Tls,
    /// <summary>UDP: a request is a datagram, and so is its answer.</summary>
    Udp,
}

/// <summary>What the load generator says, one line of JSON: first that the connections are open; told to go by an empty
/// line, what came of it. A second empty line lets it close them.</summary>
/// <param name="Requests">How many were answered.</param>
/// <param name="Errors">How many failed; the generator stops at the first.</param>
/// <param name="Seconds">How long it took, to the last answer.</param>
/// <param name="Latency">How long requests took; null if none was made.</param>
/// <param name="Error">What went wrong, as a sentence; null for nothing.</param>
internal sealed record LoadResult(long Requests, int Errors, double Seconds, Latency? Latency = null, string? Error = null);

/// <summary>How long requests took, each from before it was sent until its answer was read, in microseconds.</summary>
/// <param name="Median">Half of them took no longer.</param>
/// <param name="Percentile99">99 of 100 took no longer.</param>
/// <param name="Percentile999">999 of 1,000 took no longer.</param>
internal sealed record Latency(double Median, double Percentile99, double Percentile999)
{
    internal static Latency Of(LatencyHistogram histogram) =>
        new(histogram.Microseconds(0.5), histogram.Microseconds(0.99), histogram.Microseconds(0.999));
}
