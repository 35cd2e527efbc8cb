using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Switchboard.Servers;

/// <summary>What the two ends of a TLS connection have agreed on (<see cref="Connection.Tls"/>). Any thread may read it.</summary>
public sealed class TlsInfo
{
    private readonly TlsTransport _transport;

    internal TlsInfo(TlsTransport transport, string? serverName)
    {
        _transport = transport;
        SslStream stream = transport.Stream;
        Protocol = stream.SslProtocol;
        CipherSuite = stream.NegotiatedCipherSuite;
        ReadOnlyMemory<byte> protocol = stream.NegotiatedApplicationProtocol.Protocol;
        ApplicationProtocol = protocol.IsEmpty ? null : stream.NegotiatedApplicationProtocol.ToString();
        ServerName = string.IsNullOrEmpty(serverName) ? null : serverName;
        PeerCertificate = stream.RemoteCertificate as X509Certificate2;
    }

    /// <summary>The version of TLS.</summary>
    public SslProtocols Protocol { get; }

    /// <summary>The cipher suite.</summary>
    public TlsCipherSuite CipherSuite { get; }

    /// <summary>The protocol chosen by ALPN (RFC 7301); null for none.</summary>
    public string? ApplicationProtocol { get; }

    /// <summary>The host name that the client has asked for (SNI, RFC 6066); null for none.</summary>
    public string? ServerName { get; }

    /// <summary>The certificate that the peer has shown and that was accepted; null for none.</summary>
    public X509Certificate2? PeerCertificate { get; }

    /// <summary>True if the peer ended its direction without the end of TLS (close_notify, RFC 8446 6.1): a read has
    /// returned 0, but somebody on the way may have cut off what came before. A protocol that knows the length of its
    /// messages needs not care.</summary>
    public bool IsTruncated => _transport.IsTruncated;
}
