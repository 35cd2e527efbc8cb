using System.Net.Security;
using System.Security.Authentication;

namespace Switchboard.Servers;

// TLS below a connection: from the beginning, or from the middle of a call.
public sealed partial class Connection
{
    // Others may send from the moment of the accept on, and nothing of that may go out in clear.
    private volatile bool _awaitsTls;

    internal bool AwaitsTls
    {
        init => _awaitsTls = value;
    }

    /// <summary>What was agreed on by TLS; null where bytes go in clear.</summary>
    public TlsInfo? Tls => (_transport as TlsTransport)?.Info;

    /// <summary>Goes over to TLS in the middle of a call, as the server: what STARTTLS of mail and others asks for. Write your
    /// answer in clear and await that; then call this, within <see cref="ConnectionLimits.Handshake"/>. All that is read and
    /// written from then on is encrypted.</summary>
    /// <param name="options">Certificates and wishes.</param>
    /// <param name="cancellation">Ends the handshake, and the connection with it.</param>
    /// <returns>Completes when the handshake is done.</returns>
    /// <exception cref="ConnectionEndedException">The handshake failed, <see cref="ConnectionEndReason.HandshakeFailed"/>; or
    /// the peer has sent more in clear after it asked for TLS, which somebody on the way may have slipped in: that is never
    /// taken for something that came encrypted, and ends the connection.</exception>
    /// <exception cref="InvalidOperationException">It speaks TLS already, a read is pending, or it has no socket.</exception>
    public Task StartTlsAsync(TlsOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        return UpgradeAsync(transport => AcceptTlsAsync(transport, options, _ => { }, cancellation));
    }

    /// <summary>As <see cref="StartTlsAsync(TlsOptions, CancellationToken)"/>, as the client.</summary>
    /// <param name="options">Whose certificate to expect; <see cref="TlsClientOptions.TargetHost"/> must be given.</param>
    /// <param name="cancellation">Ends the handshake, and the connection with it.</param>
    /// <returns>Completes when the handshake is done.</returns>
    /// <exception cref="ConnectionEndedException">The handshake failed, or the peer sent more in clear.</exception>
    /// <exception cref="InvalidOperationException">It speaks TLS already, a read is pending, or it has no socket.</exception>
    public Task StartTlsAsync(TlsClientOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        string host = options.TargetHost ?? throw new ArgumentException("TlsClientOptions.TargetHost is null. Say whose certificate the server must show.", nameof(options));
        return UpgradeAsync(transport => CallTlsAsync(transport, options, host, cancellation));
    }

    private async Task UpgradeAsync(Func<TlsTransport, Task> authenticate)
    {
        ThrowIfReading();
        if (_transport is not StreamTransport plain || plain is TlsTransport)
        {
            throw new InvalidOperationException(_transport is TlsTransport ? "The connection speaks TLS already." : "A connection in memory can't speak TLS.");
        }
        if (HasBuffered)
        {
            ConnectionEndedException injected = Broken(ConnectionEndReason.HandshakeFailed, $"The peer sent {_filled - _start} bytes in clear after it had asked for TLS. They are not taken for encrypted ones.");
            plain.Abort(injected);
            throw injected;
        }
        _awaitsTls = true;
        await plain.FlushAsync();
        await SecureInTimeAsync(authenticate);
    }

    /// <summary>The server's handshake, at the beginning of a call; the server limits its time.</summary>
    internal Task AcceptTlsAsync(TlsOptions options, Action<TlsCertificateException> onBroken, CancellationToken cancellation) =>
        SecureAsync(transport => AcceptTlsAsync(transport, options, onBroken, cancellation));

    /// <summary>The client's handshake, after connecting.</summary>
    internal Task CallTlsAsync(TlsClientOptions options, string host, CancellationToken cancellation) =>
        SecureInTimeAsync(transport => CallTlsAsync(transport, options, host, cancellation));

    private static async Task AcceptTlsAsync(TlsTransport transport, TlsOptions options, Action<TlsCertificateException> onBroken, CancellationToken cancellation)
    {
        string name = "";
        foreach (TlsCertificate certificate in options.Certificates)
        {
            certificate.CheckSoon(onBroken);
        }
        await transport.Stream.AuthenticateAsServerAsync((_, hello, _, _) =>
        {
            name = hello.ServerName;
            return new ValueTask<SslServerAuthenticationOptions>(options.For(name));
        }, null, cancellation);
        transport.Info = new TlsInfo(transport, name);
    }

    private static async Task CallTlsAsync(TlsTransport transport, TlsClientOptions options, string host, CancellationToken cancellation)
    {
        SslClientAuthenticationOptions wishes = options.For(host);
        await transport.Stream.AuthenticateAsClientAsync(wishes, cancellation);
        transport.Info = new TlsInfo(transport, wishes.TargetHost);
    }

    private async Task SecureInTimeAsync(Func<TlsTransport, Task> authenticate)
    {
        using var timer = new Timer(static self => ((Connection)self!).Abort(ConnectionEndReason.HandshakeFailed,
            $"The TLS handshake was not done within {((Connection)self)._limits.Handshake}, which is ConnectionLimits.Handshake."), this, _limits.Handshake < _longestTimer ? _limits.Handshake : _longestTimer, Timeout.InfiniteTimeSpan);
        await SecureAsync(authenticate);
    }

    /// <summary>Puts TLS between the connection and what carries it.</summary>
    private async Task SecureAsync(Func<TlsTransport, Task> authenticate)
    {
        var plain = (StreamTransport)_transport;
        // After a PROXY header the beginning of the handshake may be here already.
        byte[] received = _buffer is null ? [] : _buffer[_start.._filled];
        ReturnBuffer();
        var secure = new TlsTransport(plain, received, this);
        try
        {
            await authenticate(secure);
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or ConnectionEndedException))
        {
            Exception failure = exception.InnerException as ConnectionEndedException
                ?? Broken(ConnectionEndReason.HandshakeFailed, Describe(exception), exception);
            await EndHandshakeAsync(plain, secure);
            // Who goes on in spite of it must not do so in clear.
            plain.Abort(failure);
            throw failure;
        }
        catch (Exception exception)
        {
            plain.Abort(exception as ConnectionEndedException ?? Broken(Stopping.IsCancellationRequested ? ConnectionEndReason.Stopped : ConnectionEndReason.HandshakeFailed,
                "The TLS handshake was cancelled, which ends the connection.", exception));
            secure.Stream.Dispose();
            throw;
        }
        _transport = secure;
    }

    private static string Describe(Exception exception) =>
        $"The TLS handshake failed: {exception.Message}{(exception is AuthenticationException && exception.InnerException is { } inner ? $" {inner.Message}" : "")}";

    /// <summary>The alert that tells the peer why goes out before the connection is closed.</summary>
    private static async Task EndHandshakeAsync(StreamTransport plain, TlsTransport secure)
    {
        try
        {
            await plain.FlushAsync();
        }
        catch (IOException)
        {
            // The peer is gone.
        }
        secure.Stream.Dispose();
    }
}
