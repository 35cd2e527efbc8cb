using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Switchboard.Servers.Tests;

/// <summary>Which certificate a connection gets, and whose a server takes.</summary>
public sealed class TlsCertificateTests : IDisposable
{
    private readonly Certificates _certificates = new();
    private readonly RecordingLog _log = new();

    public void Dispose() => _certificates.Dispose();

    private async Task<TcpServer> ServeAsync(TlsOptions options, Func<Connection, string?>? say = null)
    {
        var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
            await connection.WriteAsync(System.Text.Encoding.UTF8.GetBytes(say?.Invoke(connection) ?? "hello"), stop), Concurrency.EventLoop(), new ServerOptions { Tls = options, LoggerFactory = _log });
        await server.StartAsync().InTime();
        return server;
    }

    private async Task<string> ShownAsync(TcpServer server, string host)
    {
        using TlsCaller caller = await TlsCaller.ConnectAsync(server, _certificates, host);
        return ((X509Certificate2)caller.Stream.RemoteCertificate!).GetSerialNumberString();
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task The_host_name_chooses_the_certificate()
    {
        await using TcpServer server = await ServeAsync(_certificates.Options("one.example", "two.example"), connection => connection.Tls!.ServerName);
        using TlsCaller one = await TlsCaller.ConnectAsync(server, _certificates, "one.example");
        await one.ExpectAsync("one.example");
        using TlsCaller two = await TlsCaller.ConnectAsync(server, _certificates, "two.example");
        await two.ExpectAsync("two.example");
        // Who is unknown gets the first, which the client then refuses.
        await Assert.ThrowsAsync<AuthenticationException>(() => TlsCaller.ConnectAsync(server, _certificates, "three.example"));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task New_files_are_taken_and_broken_ones_leave_the_old_certificate()
    {
        (string file, string key) = _certificates.WritePem("localhost");
        TlsCertificate certificate = TlsCertificate.FromPem(file, key);
        var options = new TlsOptions { Certificates = [certificate] };
        await using TcpServer server = await ServeAsync(options);
        string first = await ShownAsync(server, "localhost");
        _certificates.WritePem("localhost");
        Assert.Equal(first, await ShownAsync(server, "localhost"));
        options.Reload();
        string second = await ShownAsync(server, "localhost");
        Assert.NotEqual(first, second);
        await File.WriteAllTextAsync(file, "nonsense", TestContext.Current.CancellationToken);
        var error = Assert.Throws<TlsCertificateException>(options.Reload);
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
        Assert.Equal(second, await ShownAsync(server, "localhost"));
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Files_that_change_are_noticed_and_the_log_says_what_is_broken()
    {
        (string file, string key) = _certificates.WritePem("localhost");
        var options = new TlsOptions { Certificates = [TlsCertificate.FromPem(file, key, checkInterval: TimeSpan.FromMilliseconds(1))] };
        await using TcpServer server = await ServeAsync(options);
        string first = await ShownAsync(server, "localhost");
        await File.WriteAllTextAsync(file, "nonsense", TestContext.Current.CancellationToken);
        Task<LogRecord> told = _log.WaitAsync(record => record.Id == 70);
        while (!told.IsCompleted)
        {
            Assert.Equal(first, await ShownAsync(server, "localhost"));
        }
        Assert.Contains(file, (await told).Text, StringComparison.Ordinal);
        _certificates.WritePem("localhost");
        string now;
        do
        {
            now = await ShownAsync(server, "localhost");
        }
        while (now == first);
    }

    [Fact]
    public void A_certificate_is_read_from_PEM_with_a_password_and_from_PFX()
    {
        using X509Certificate2 made = _certificates.Make("localhost");
        string pfx = _certificates.File("one.pfx");
        File.WriteAllBytes(pfx, made.Export(X509ContentType.Pfx, "secret"));
        Assert.Equal(made.Thumbprint, TlsCertificate.FromPfx(pfx, "secret").Certificate.Thumbprint);
        Assert.Contains(pfx, Assert.Throws<TlsCertificateException>(() => TlsCertificate.FromPfx(pfx, "wrong")).Message, StringComparison.Ordinal);
        string pem = _certificates.File("one.pem");
        using System.Security.Cryptography.ECDsa key = made.GetECDsaPrivateKey()!;
        File.WriteAllText(pem, made.ExportCertificatePem() + "\n" + key.ExportEncryptedPkcs8PrivateKeyPem("secret", new System.Security.Cryptography.PbeParameters(System.Security.Cryptography.PbeEncryptionAlgorithm.Aes256Cbc, System.Security.Cryptography.HashAlgorithmName.SHA256, 1000)));
        Assert.Equal(made.Thumbprint, TlsCertificate.FromPem(pem, password: "secret").Certificate.Thumbprint);
        Assert.Throws<TlsCertificateException>(() => TlsCertificate.FromPem(_certificates.File("missing.pem")));
        Assert.Throws<TlsCertificateException>(() => TlsCertificate.From(_certificates.Trusted[0]));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(ClientCertificates.None, "none", null)]
    [InlineData(ClientCertificates.Allowed, "none", "nobody")]
    [InlineData(ClientCertificates.Allowed, "right", "caller")]
    [InlineData(ClientCertificates.Allowed, "wrong", null)]
    [InlineData(ClientCertificates.Required, "right", "caller")]
    [InlineData(ClientCertificates.Required, "none", null)]
    [InlineData(ClientCertificates.Required, "wrong", null)]
    public async Task A_clients_certificate_is_asked_for_and_looked_at(ClientCertificates wanted, string shown, string? served)
    {
        using var strangers = new Certificates();
        using X509Certificate2? own = shown switch { "right" => _certificates.Make("caller"), "wrong" => strangers.Make("caller"), _ => null };
        await using TcpServer server = await ServeAsync(_certificates.Options("localhost") with { ClientCertificates = wanted, TrustedAuthorities = _certificates.Trusted },
            connection => connection.Tls!.PeerCertificate?.GetNameInfo(X509NameType.SimpleName, false) ?? "nobody");
        var end = new TaskCompletionSource<ConnectionEnd>();
        server.ConnectionEnded += (_, how) => end.TrySetResult(how);
        try
        {
            using TlsCaller caller = await TlsCaller.ConnectAsync(server, _certificates, own: own);
            await caller.ExpectAsync(served ?? "nobody");
        }
        catch (Exception exception) when (served is null && exception is IOException or AuthenticationException)
        {
            // With TLS 1.3 the client learns that it is refused after its own part of the handshake.
        }
        Assert.Equal(served is null && wanted != ClientCertificates.None ? ConnectionEndReason.HandshakeFailed : ConnectionEndReason.HandlerReturned, (await end.Task.InTime()).Reason);
    }
}
