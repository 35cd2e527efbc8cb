using System.Globalization;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>What <c>status</c> tells of TLS.</summary>
internal static class CertificateStatus
{
    internal static JsonObject Of(TlsOptions tls) => new()
    {
        ["min"] = tls.Protocols.HasFlag(SslProtocols.Tls12) ? "1.2" : "1.3",
        ["alpn"] = new JsonArray([.. tls.ApplicationProtocols.Select(static name => (JsonNode)name)]),
        ["clients"] = tls.ClientCertificates.ToString().ToLowerInvariant(),
        ["certificates"] = new JsonArray([.. tls.Certificates.Select(static one => (JsonNode)Of(one.Certificate))]),
    };

    /// <summary>What a connection has agreed on.</summary>
    internal static JsonObject Of(TlsInfo tls) => new()
    {
        ["version"] = tls.Protocol switch
        {
            SslProtocols.Tls13 => "1.3",
            SslProtocols.Tls12 => "1.2",
            _ => tls.Protocol.ToString(),
        },
        ["cipher"] = tls.CipherSuite.ToString(),
        ["host"] = tls.ServerName,
        ["alpn"] = tls.ApplicationProtocol,
        ["client"] = tls.PeerCertificate?.Subject,
    };

    /// <summary>Whose it is, and until when.</summary>
    internal static string Describe(X509Certificate2 certificate) => string.Create(CultureInfo.InvariantCulture, $"{certificate.Subject}, valid until {Expires(certificate):yyyy-MM-dd HH:mm} UTC");

    private static DateTime Expires(X509Certificate2 certificate) => certificate.NotAfter.ToUniversalTime();

    private static JsonObject Of(X509Certificate2 certificate) => new()
    {
        ["subject"] = certificate.Subject,
        ["names"] = new JsonArray([.. Names(certificate).Select(static name => (JsonNode)name)]),
        ["issuer"] = certificate.Issuer,
        ["serial"] = certificate.SerialNumber,
        ["expires"] = Expires(certificate).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        ["days"] = Math.Floor((Expires(certificate) - TimeProvider.System.GetUtcNow().UtcDateTime).TotalDays),
    };

    private static IEnumerable<string> Names(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(static names => names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(static address => address.ToString())));
}
