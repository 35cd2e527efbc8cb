using System.Net;

namespace Switchboard.Servers;

// What is agreed on with a caller before its handler is made.
public abstract partial class StreamServer
{
    private bool HasHandshakes => Options.ProxyProtocol is not null || Options.Tls is not null;

    /// <summary>Takes the PROXY header, then shakes hands over TLS. Both within <see cref="ConnectionLimits.Handshake"/>.</summary>
    private async Task ShakeHandsAsync(Connection request, CancellationToken stop)
    {
        using var time = CancellationTokenSource.CreateLinkedTokenSource(stop);
        if (Options.Limits.Handshake != Timeout.InfiniteTimeSpan)
        {
            time.CancelAfter(Options.Limits.Handshake + Connection.CoarseClockStep);
        }
        if (Options.Tls is not null)
        {
            request.LayTls();
        }
        try
        {
            if (Options.ProxyProtocol is { } proxies)
            {
                await TakeProxyHeaderAsync(request, proxies, time.Token);
            }
            if (Options.Tls is { } tls)
            {
                await request.AcceptTlsAsync(tls, exception => Log.CertificateKept(Logger, Name, exception.Message), time.Token);
            }
        }
        catch (OperationCanceledException exception) when (!stop.IsCancellationRequested)
        {
            throw request.Broken(ConnectionEndReason.HandshakeFailed, $"The handshake was not done within {Options.Limits.Handshake}, which is ConnectionLimits.Handshake.", exception);
        }
        catch (InvalidDataException exception)
        {
            throw request.Broken(ConnectionEndReason.HandshakeFailed, exception.Message, exception);
        }
        request.ExpectFirstByte();
    }

    private async Task TakeProxyHeaderAsync(Connection request, ProxyProtocolOptions proxies, CancellationToken cancellation)
    {
        if (!proxies.Trusts(request.RemoteEndPoint))
        {
            if (proxies.Untrusted == UntrustedSender.Serve)
            {
                return;
            }
            throw request.Broken(ConnectionEndReason.HandshakeFailed, $"{request.RemoteEndPoint} is in none of the networks of ProxyProtocolOptions.Trusted.");
        }
        var framing = new ProxyFraming();
        if (await request.ReadMessageAsync(framing, cancellation) is null)
        {
            cancellation.ThrowIfCancellationRequested();
            throw request.Broken(ConnectionEndReason.HandshakeFailed, "The proxy closed the connection before it had sent its header.");
        }
        request.Proxy = framing.Header;
        if (CountAddress(request) is { } refusal)
        {
            SayLastWord(request);
            throw request.Broken(ConnectionEndReason.Limit, $"The caller was refused: {refusal}.");
        }
    }

    /// <summary>Counts the caller's address, unless it is a proxy that has yet to say for whom it calls.</summary>
    /// <returns>Why it is refused; null if it is not.</returns>
    private string? CountAddress(Connection request)
    {
        if (Options.Callers.ConnectionsPerAddress is not { } most || (request.Proxy is null && Options.ProxyProtocol is { } proxies && proxies.Trusts(request.RemoteEndPoint)))
        {
            return null;
        }
        bool mayCome = _admission.TryEnter(request.RemoteEndPoint, out IPAddress? counted);
        request.CountedAddress = counted;
        return mayCome ? null : $"CallerLimits.ConnectionsPerAddress is {most}";
    }
}
