using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Switchboard.Servers.Tests;

/// <summary>The other side over TLS: the base library's own stream on its own socket.</summary>
internal sealed class TlsCaller : IDisposable
{
    private readonly Caller _caller;

    private TlsCaller(Caller caller, SslStream stream) => (_caller, Stream) = (caller, stream);

    internal SslStream Stream { get; }

    internal Socket Socket => _caller.Socket;

    internal static async Task<TlsCaller> ConnectAsync(SocketServer server, Certificates authority, string host = "localhost", X509Certificate2? own = null, string? protocol = null, int? receiveBuffer = null)
    {
        Caller caller = await Caller.ConnectAsync(server, receiveBuffer);
        return await OverAsync(caller, authority, host, own, protocol);
    }

    internal static async Task<TlsCaller> OverAsync(Caller caller, Certificates authority, string host = "localhost", X509Certificate2? own = null, string? protocol = null)
    {
        var stream = new SslStream(new NetworkStream(caller.Socket));
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = host,
            CertificateChainPolicy = TlsTrust.ToPolicy(authority.Trusted),
            ClientCertificateContext = own is null ? null : SslStreamCertificateContext.Create(own, null, offline: true),
            ApplicationProtocols = protocol is null ? null : [new SslApplicationProtocol(protocol)],
        };
        await stream.AuthenticateAsClientAsync(options).InTime();
        return new TlsCaller(caller, stream);
    }

    internal Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    internal Task SendAsync(ReadOnlyMemory<byte> bytes) => Stream.WriteAsync(bytes).InTime();

    internal async Task<byte[]> ReadAsync(int count)
    {
        var bytes = new byte[count];
        await Stream.ReadExactlyAsync(bytes).InTime();
        return bytes;
    }

    internal async Task ExpectAsync(string text) => Assert.Equal(text, Encoding.UTF8.GetString(await ReadAsync(Encoding.UTF8.GetByteCount(text))));

    internal async Task<byte[]> ReadToEndAsync()
    {
        using var all = new MemoryStream();
        await Stream.CopyToAsync(all).InTime();
        return all.ToArray();
    }

    public void Dispose()
    {
        Stream.Dispose();
        _caller.Dispose();
    }
}
