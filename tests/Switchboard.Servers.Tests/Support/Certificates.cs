using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Switchboard.Servers.Tests;

/// <summary>An authority of the test's own, and what it signs.</summary>
internal sealed class Certificates : IDisposable
{
    private static readonly DateTimeOffset _begin = DateTimeOffset.UnixEpoch.AddYears(40);
    private static readonly DateTimeOffset _end = DateTimeOffset.UnixEpoch.AddYears(200);

    private readonly TemporaryFolder _folder = new();
    private int _serial;

    internal Certificates()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=The test's authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        Authority = request.CreateSelfSigned(_begin, _end);
    }

    internal X509Certificate2 Authority { get; }

    internal X509Certificate2Collection Trusted => [X509CertificateLoader.LoadCertificate(Authority.RawData)];

    internal string File(string name) => _folder.File(name);

    internal X509Certificate2 Make(string host)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 signed = request.Create(Authority, _begin, _end.AddYears(-1), BitConverter.GetBytes(++_serial));
        return signed.CopyWithPrivateKey(key);
    }

    /// <summary>Writes a new certificate and its key.</summary>
    internal (string Certificate, string Key) WritePem(string host, string file = "server")
    {
        using X509Certificate2 certificate = Make(host);
        (string Certificate, string Key) files = (File($"{file}.pem"), File($"{file}.key"));
        System.IO.File.WriteAllText(files.Certificate, certificate.ExportCertificatePem());
        using ECDsa key = certificate.GetECDsaPrivateKey()!;
        System.IO.File.WriteAllText(files.Key, key.ExportPkcs8PrivateKeyPem());
        return files;
    }

    internal TlsOptions Options(params string[] hosts) => new() { Certificates = [.. hosts.Select(host => TlsCertificate.From(Make(host)))] };

    public void Dispose()
    {
        Authority.Dispose();
        _folder.Dispose();
    }
}
