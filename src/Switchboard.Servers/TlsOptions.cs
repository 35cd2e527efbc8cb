using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Switchboard.Servers;

/// <summary>What a server wants of its clients' certificates.</summary>
public enum ClientCertificates
{
    /// <summary>Does not ask for one.</summary>
    None,
    /// <summary>Asks for one; a client without one is served too, one with a wrong one is not.</summary>
    Allowed,
    /// <summary>Serves nobody without a right one.</summary>
    Required,
}

/// <summary>How a server speaks TLS: <see cref="ServerOptions.Tls"/>, or <see cref="Connection.StartTlsAsync(TlsOptions, CancellationToken)"/>.
/// One object may serve several servers.</summary>
public sealed record TlsOptions
{
    private static readonly List<SslApplicationProtocol> _noProtocols = [];

    /// <summary>The server's certificates, one at least. A client that names a host gets the first that is made out to it
    /// (SNI); one that names none, or an unknown one, gets the first of all.</summary>
    public required IReadOnlyList<TlsCertificate> Certificates
    {
        get;
        init => field = value is { Count: > 0 } ? value : throw new ArgumentException("TlsOptions.Certificates is empty. Give the server one certificate at least: TlsCertificate.FromPem, FromPfx or From.", nameof(value));
    }

    /// <summary>The protocols offered by ALPN (RFC 7301), the preferred first: <c>"redis"</c> for example. A client that
    /// offers others only is refused. Default none: ALPN is not used.</summary>
    public IReadOnlyList<string> ApplicationProtocols { get; init; } = [];

    /// <summary>What is wanted of clients' certificates. Default <see cref="ClientCertificates.None"/>.</summary>
    public ClientCertificates ClientCertificates { get; init; } = ClientCertificates.None;

    /// <summary>Whose signature makes a client's certificate right; null for the authorities that the system trusts.
    /// Default null.</summary>
    public X509Certificate2Collection? TrustedAuthorities { get; init; }

    /// <summary>Decides about a client's certificate: it is given the certificate, its chain and what was found wrong. It runs
    /// on the call's thread or loop, so it must be quick. Null: right is what nothing was found wrong with. Default null.</summary>
    public Func<X509Certificate2, X509Chain?, SslPolicyErrors, bool>? ValidateClient { get; init; }

    /// <summary>The versions of TLS; None for what the system thinks right. Default TLS 1.2 and 1.3.</summary>
    public SslProtocols Protocols { get; init; } = SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>Reads the files of all certificates anew: connections from now on get the new ones. A certificate whose new
    /// files are broken stays as it was. Any thread may call it.</summary>
    /// <exception cref="TlsCertificateException">A file is broken; the message names it. The others were read.</exception>
    public void Reload()
    {
        TlsCertificateException? failure = null;
        foreach (TlsCertificate certificate in Certificates)
        {
            try
            {
                certificate.Reload();
            }
            catch (TlsCertificateException exception)
            {
                failure ??= exception;
            }
        }
        if (failure is not null)
        {
            throw failure;
        }
    }

    internal SslServerAuthenticationOptions For(string serverName)
    {
        TlsCertificate certificate = (serverName.Length == 0 ? null : Certificates.FirstOrDefault(one => one.Certificate.MatchesHostname(serverName))) ?? Certificates[0];
        return new SslServerAuthenticationOptions
        {
            ServerCertificateContext = certificate.Context,
            EnabledSslProtocols = Protocols,
            ApplicationProtocols = TlsTrust.ToProtocols(ApplicationProtocols) ?? _noProtocols,
            AllowRenegotiation = false,
            ClientCertificateRequired = ClientCertificates != ClientCertificates.None,
            CertificateChainPolicy = TlsTrust.ToPolicy(TrustedAuthorities),
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            RemoteCertificateValidationCallback = (_, shown, chain, errors) => shown is X509Certificate2 client
                ? ValidateClient?.Invoke(client, chain, errors) ?? errors == SslPolicyErrors.None
                : ClientCertificates != ClientCertificates.Required,
        };
    }
}

/// <summary>How a client speaks TLS: <see cref="ClientOptions.Tls"/>, or
/// <see cref="Connection.StartTlsAsync(TlsClientOptions, CancellationToken)"/>.</summary>
public sealed record TlsClientOptions
{
    /// <summary>The name that the server's certificate must be made out to, and that is sent as SNI; null for the host of the
    /// address that is connected to. Default null.</summary>
    public string? TargetHost { get; init; }

    /// <summary>Whose signature makes the server's certificate right; null for the authorities that the system trusts.
    /// Default null.</summary>
    public X509Certificate2Collection? TrustedAuthorities { get; init; }

    /// <summary>Decides about the server's certificate instead: it is given the certificate, its chain and what was found
    /// wrong. Null: right is what nothing was found wrong with. Default null.</summary>
    public Func<X509Certificate2, X509Chain?, SslPolicyErrors, bool>? ValidateServer { get; init; }

    /// <summary>What is shown to a server that asks for a certificate; null for nothing. Default null.</summary>
    public TlsCertificate? Certificate { get; init; }

    /// <summary>The protocols offered by ALPN (RFC 7301), the preferred first. Default none.</summary>
    public IReadOnlyList<string> ApplicationProtocols { get; init; } = [];

    /// <summary>The versions of TLS; None for what the system thinks right. Default TLS 1.2 and 1.3.</summary>
    public SslProtocols Protocols { get; init; } = SslProtocols.Tls12 | SslProtocols.Tls13;

    internal SslClientAuthenticationOptions For(string host)
    {
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = TargetHost ?? host,
            EnabledSslProtocols = Protocols,
            ApplicationProtocols = TlsTrust.ToProtocols(ApplicationProtocols),
            ClientCertificateContext = Certificate?.Context,
            CertificateChainPolicy = TlsTrust.ToPolicy(TrustedAuthorities),
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        if (ValidateServer is { } validate)
        {
            options.RemoteCertificateValidationCallback = (_, shown, chain, errors) => shown is X509Certificate2 server && validate(server, chain, errors);
        }
        return options;
    }
}

/// <summary>What both sides make of their options.</summary>
internal static class TlsTrust
{
    internal static List<SslApplicationProtocol>? ToProtocols(IReadOnlyList<string> names) =>
        names.Count == 0 ? null : [.. names.Select(name => new SslApplicationProtocol(name))];

    internal static X509ChainPolicy? ToPolicy(X509Certificate2Collection? authorities)
    {
        if (authorities is null)
        {
            return null;
        }
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }
}
