namespace Switchboard.Bench.Suites;

/// <summary>One comparison that can be asked for by name.</summary>
/// <param name="Name">As on the command line.</param>
/// <param name="Summary">What it compares, in a sentence.</param>
/// <param name="RunAsync">Runs it and writes its lines.</param>
internal sealed record Suite(string Name, string Summary, Func<BenchOptions, CancellationToken, Task> RunAsync)
{
    internal static readonly IReadOnlyList<Suite> All =
    [
        new("echo", "Requests on connections that are kept: rate, and the server's processor time for one.", EchoSuite.RunAsync),
        new("connect", "A new connection for each request: rate, and the server's processor time for one.", ConnectSuite.RunAsync),
        new("idle", "What a server holds for a connection that is silent: bytes of memory, managed and native.", IdleSuite.RunAsync),
        new("gateway", "A gateway that relays to an echo server, against one in C: bytes a second, and its processor time for a mebibyte.", GatewaySuite.RunAsync),
        new("tls", "Echoes over TLS 1.3, 64 bytes and 16 KiB, and handshakes: rate, and the server's processor time for one.", TlsSuite.RunAsync),
        new("udp", "Datagrams there and back, received singly and by the batch: rate, and the server's processor time for one.", UdpSuite.RunAsync),
        new("limits", "Echoes with all limits, metrics and activities on, against none: the server's processor time for one request.", LimitsSuite.RunAsync),
        new("redis", "MiniRedis against redis-server, called by redis-benchmark: rate, and the server's processor time for one command.", RedisSuite.RunAsync),
        new("allocations", "What our servers allocate for one request, told on standard error: it is no ratio.", AllocationsSuite.RunAsync),
    ];
}
