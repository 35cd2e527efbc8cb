using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>How an endpoint speaks TLS.</summary>
internal static class TlsPlan
{
    private const string NoKey = "-";

    internal static string[] Versions { get; } = ["1.2", "1.3"];

    internal static string[] ClientWords { get; } = ["none", "allowed", "required"];

    /// <summary>What was planned, with the files read; null for bytes in clear.</summary>
    /// <exception cref="MisuseException">There are more keys than certificates, or fewer.</exception>
    /// <exception cref="UnusableException">A file can't be used.</exception>
    internal static TlsOptions? Of(EndpointPlan endpoint, Certificates certificates)
    {
        if (endpoint.Of(Setting.Certificate) is not { } files)
        {
            return null;
        }
        string? authorities = endpoint.Effective("tls-client-ca");
        return new TlsOptions
        {
            Certificates = Read(endpoint, Setting.Elements(files), certificates),
            ApplicationProtocols = endpoint.Effective("tls-alpn") is { } names ? Setting.Elements(names) : [],
            Protocols = endpoint.Effective("tls-min") == "1.3" ? SslProtocols.Tls13 : SslProtocols.Tls12 | SslProtocols.Tls13,
            TrustedAuthorities = authorities is null ? null : Authorities("tls-client-ca", authorities),
            ClientCertificates = endpoint.Effective("tls-client-cert") switch
            {
                "allowed" => ClientCertificates.Allowed,
                "required" => ClientCertificates.Required,
                "none" => ClientCertificates.None,
                _ => authorities is null ? ClientCertificates.None : ClientCertificates.Required,
            },
        };
    }

    /// <summary>Reads the authorities of a file.</summary>
    /// <exception cref="UnusableException">It can't be read, or there is none in it.</exception>
    internal static X509Certificate2Collection Authorities(string name, string file)
    {
        var found = new X509Certificate2Collection();
        try
        {
            found.ImportFromPemFile(file);
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new UnusableException($"{name} {file} can't be read: {exception.Message}", exception);
        }
        return found.Count > 0 ? found : throw new UnusableException($"{name} {file} holds no certificate in PEM.");
    }

    private static TlsCertificate[] Read(EndpointPlan endpoint, string[] files, Certificates certificates)
    {
        string[] keys = endpoint.Effective("tls-key") is { } text ? Setting.Elements(text) : [.. files.Select(static _ => NoKey)];
        if (keys.Length != files.Length)
        {
            throw new MisuseException($"{endpoint.Bind} has {files.Length} of tls-cert and {keys.Length} of tls-key. Give a key for each certificate, in the same order, or {NoKey} for one that holds its key itself.");
        }
        try
        {
            string? password = endpoint.Effective("tls-password");
            return [.. files.Zip(keys, (file, key) => certificates.Read(file, key == NoKey ? null : key, password))];
        }
        catch (TlsCertificateException exception)
        {
            throw new UnusableException($"tls-cert of {endpoint.Bind}: {exception.Message}", exception);
        }
    }
}
