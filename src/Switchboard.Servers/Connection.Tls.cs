using System.Net.Security;

namespace Switchboard.Servers;

// TLS below a connection: from the beginning, or from the middle of a call.
public sealed partial class Connection
{
    // Others may send from the moment of the accept on, and nothing of that may go out in clear.
    private readonly bool _awaitsTls;

    internal bool AwaitsTls
    {
        init => _awaitsTls = value;
    }

    /// <summary>What was agreed on by TLS; null where bytes go in clear, and before the handshake is done.</summary>
    public TlsInfo? Tls => (_transport as TlsTransport)?.Info;

    /// <summary>Goes over to TLS in the middle of a call, as the server: what STARTTLS of mail and others asks for. Write your
    /// answer in clear and await that; then call this, within <see cref="ConnectionLimits.Handshake"/>. All that is read and
    /// written from then on is encrypted: what is written meanwhile, by other threads too, waits for the handshake.</summary>
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

    /// <summary>As <see cref="StartTlsAsync(TlsOptions, CancellationToken)"/>, blocking the call's thread until the handshake is
    /// done. For <see cref="BlockingRequestHandler"/>.</summary>
    /// <param name="options">Certificates and wishes.</param>
    /// <exception cref="ConnectionEndedException">The handshake failed, or the peer sent more in clear.</exception>
    /// <exception cref="InvalidOperationException">It speaks TLS already, a read is pending, it has no socket, another thread
    /// calls, or the thread carries other connections too.</exception>
    public void StartTls(TlsOptions options)
    {
        ThrowIfMustNotBlock();
        Wait(StartTlsAsync(options));
    }

    /// <summary>As <see cref="StartTls(TlsOptions)"/>, as the client.</summary>
    /// <param name="options">Whose certificate to expect; <see cref="TlsClientOptions.TargetHost"/> must be given.</param>
    /// <exception cref="ConnectionEndedException">The handshake failed, or the peer sent more in clear.</exception>
    /// <exception cref="InvalidOperationException">It speaks TLS already, a read is pending, it has no socket, another thread
    /// calls, or the thread carries other connections too.</exception>
    public void StartTls(TlsClientOptions options)
    {
        ThrowIfMustNotBlock();
        Wait(StartTlsAsync(options));
    }

    private void ThrowIfMustNotBlock()
    {
        if (_transport is StreamTransport { MayBlockHere: false })
        {
            _transport.Write([]);
        }
    }

    private void Wait(Task task)
    {
        if (_transport is StreamTransport { MayBlockHere: false })
        {
            _transport.WaitInline(static task => ((Task)task!).IsCompleted, task);
        }
        task.GetAwaiter().GetResult();
    }

    private Task UpgradeAsync(Func<TlsTransport, Task> authenticate) => InPieceAsync(async () =>
    {
        ThrowIfReading();
        if (_transport is not StreamTransport plain || plain is TlsTransport)
        {
            throw new InvalidOperationException(_transport is TlsTransport ? "The connection speaks TLS already." : "A connection in memory can't speak TLS.");
        }
        if (plain.IsReading)
        {
            throw new InvalidOperationException("A read is pending on this connection. Await it before StartTlsAsync: it would take what belongs to the handshake.");
        }
        if (HasBuffered)
        {
            ConnectionEndedException injected = Broken(ConnectionEndReason.HandshakeFailed, $"The peer sent {_filled - _start} bytes in clear after it had asked for TLS. They are not taken for encrypted ones.");
            plain.Abort(injected);
            throw injected;
        }
        LayTls();
        await SecureInTimeAsync(async transport =>
        {
            // What was written before goes out in clear.
            await plain.FlushAsync();
            await authenticate(transport);
        });
    });

    /// <summary>Runs something in a piece of the call, so that its awaits come back there, whoever calls and whatever context
    /// the caller has.</summary>
    private Task InPieceAsync(Func<Task> act)
    {
        if (_transport.Context is not { } context || (_transport.IsCurrent && SynchronizationContext.Current == context))
        {
            return act();
        }
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        context.Post(async _ =>
        {
            Task task = act();
            await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            done.SetFromTask(task);
        }, null);
        return done.Task;
    }

    /// <summary>Puts TLS between the connection and what carries it: what is written from now on waits for the handshake.</summary>
    internal void LayTls() => _transport = new TlsTransport((StreamTransport)_transport, this);

    /// <summary>The server's handshake, at the beginning of a call; the server limits its time.</summary>
    internal Task AcceptTlsAsync(TlsOptions options, Action<TlsCertificateException> onBroken, CancellationToken cancellation) =>
        SecureAsync(transport => AcceptTlsAsync(transport, options, onBroken, cancellation));

    /// <summary>The client's handshake, after connecting. Any thread.</summary>
    internal Task CallTlsAsync(TlsClientOptions options, string host, CancellationToken cancellation)
    {
        LayTls();
        return InPieceAsync(() => SecureInTimeAsync(transport => CallTlsAsync(transport, options, host, cancellation)));
    }

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
        transport.EndHandshake(name);
    }

    private static async Task CallTlsAsync(TlsTransport transport, TlsClientOptions options, string host, CancellationToken cancellation)
    {
        SslClientAuthenticationOptions wishes = options.For(host);
        await transport.Stream.AuthenticateAsClientAsync(wishes, cancellation);
        transport.EndHandshake(wishes.TargetHost);
    }

    private async Task SecureInTimeAsync(Func<TlsTransport, Task> authenticate)
    {
        TimeSpan limit = _limits.Handshake;
        using var timer = new Timer(static self => ((Connection)self!).Abort(ConnectionEndReason.HandshakeFailed,
            $"The TLS handshake was not done within {((Connection)self)._limits.Handshake}, which is ConnectionLimits.Handshake."), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        if (limit != Timeout.InfiniteTimeSpan)
        {
            timer.Change(limit < _longestTimer ? limit + CoarseClockStep : _longestTimer, Timeout.InfiniteTimeSpan);
        }
        await SecureAsync(authenticate);
    }

    /// <summary>Shakes hands. In a piece of the call, after <see cref="LayTls"/>.</summary>
    private async Task SecureAsync(Func<TlsTransport, Task> authenticate)
    {
        var secure = (TlsTransport)_transport;
        // After a PROXY header the beginning of the handshake may be here already.
        secure.BeginHandshake(_buffer is null ? [] : _buffer[_start.._filled]);
        ReturnBuffer();
        try
        {
            await authenticate(secure);
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or ConnectionEndedException))
        {
            Exception failure = exception.InnerException as ConnectionEndedException
                ?? Broken(ConnectionEndReason.HandshakeFailed, TlsTransport.Describe("The TLS handshake failed", exception), exception);
            await SendAlertAsync(secure);
            secure.FailHandshake(failure);
            throw failure;
        }
        catch (Exception exception)
        {
            secure.FailHandshake(exception as ConnectionEndedException ?? Broken(Stopping.IsCancellationRequested ? ConnectionEndReason.Stopped : ConnectionEndReason.HandshakeFailed,
                "The TLS handshake was cancelled, which ends the connection.", exception));
            throw;
        }
    }

    /// <summary>The alert that tells the peer why goes out before the connection is closed.</summary>
    private static async Task SendAlertAsync(TlsTransport secure)
    {
        try
        {
            await secure.FlushAsync();
        }
        catch (IOException)
        {
            // The peer is gone.
        }
    }
}
