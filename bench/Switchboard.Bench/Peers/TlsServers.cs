using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Switchboard.Servers;

namespace Switchboard.Bench.Peers;

/// <summary>The echo servers over TLS, each with a certificate of the same kind.</summary>
internal static class TlsServers
{
    private static readonly Dictionary<string, Func<Task<int>>> _starts = new()
    {
        ["ours-eventloop"] = static () => OurServer.StartTlsAsync(Concurrency.EventLoop()),
        ["ours-tasks"] = static () => OurServer.StartTlsAsync(Concurrency.Tasks()),
        ["ours-threads"] = static () => OurServer.StartTlsAsync(Concurrency.Threads(ServerVerb.MostCallers)),
        ["kestrel"] = KestrelServer.StartTlsAsync,
        ["dotnet-sslstream"] = AsyncSocketsServer.StartTlsAsync,
    };

    internal static IReadOnlyList<Server> All => [.. _starts.Keys.Select(name => new Server(name, Managed: true, ChildProcess.Self("tls", name)))];

    internal static Task<int> StartAsync(string name) => _starts[name]();

    /// <summary>One for localhost with a key of ECDSA P-256, signed by itself.</summary>
    internal static X509Certificate2 MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }
}
