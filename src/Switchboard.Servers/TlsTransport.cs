using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>
/// A connection's bytes over TLS: an <see cref="SslStream"/> on the transport below. All of it runs in pieces of the call,
/// on its thread or loop; what other threads ask for is posted there. So a record is never decrypted while the end of TLS
/// (close_notify) is made, which SslStream would not bear.
/// </summary>
/// <remarks>It lies below a connection before the handshake begins: from then on what is written waits, and nothing goes out
/// in clear any more. Reads are in clear until the handshake begins, for a PROXY header.</remarks>
[SuppressMessage("Reliability", "CA2012", Justification = "Each read and write of the stream is consumed once: at once, or when it has told its end.")]
[SuppressMessage("Reliability", "CA1001", Justification = "Close disposes the stream.")]
internal sealed partial class TlsTransport : StreamTransport
{
    private readonly StreamTransport _inner;
    private readonly TlsByteStream _bytes;
    private readonly SslStream _stream;
    private volatile Phase _phase;
    private volatile Exception? _fault;
    private volatile bool _endOfInput;
    private volatile bool _closed;

    private enum Phase
    {
        Clear,
        Handshake,
        Secure,
    }

    /// <param name="inner">What carries the encrypted bytes.</param>
    /// <param name="connection">Whose it will be.</param>
    internal TlsTransport(StreamTransport inner, Connection connection)
    {
        _inner = inner;
        Belong(connection);
        _bytes = new TlsByteStream(inner);
        _stream = new SslStream(_bytes, leaveInnerStreamOpen: true);
        _onRead = () => InPiece(static self => ((TlsTransport)self!).EndRead());
        _onWritten = () => InPiece(static self => ((TlsTransport)self!).EndWrite());
    }

    internal SslStream Stream => _stream;

    /// <summary>What was agreed on; made when the handshake is done.</summary>
    internal TlsInfo? Info { get; private set; }

    /// <summary>True if the peer ended without its TLS end (close_notify), so that what it sent may be cut off.</summary>
    internal bool IsTruncated { get; private set; }

    internal override SynchronizationContext? Context => _inner.Context;

    internal override bool IsCurrent => _inner.IsCurrent;

    internal override int Descriptor => _inner.Descriptor;

    internal override EndPoint? RemoteEndPoint => _inner.RemoteEndPoint;

    internal override EndPoint? LocalEndPoint => _inner.LocalEndPoint;

    internal override long Received => _inner.Received;

    internal override long Sent => _inner.Sent;

    internal override bool EndOfInput => _phase == Phase.Clear ? _inner.EndOfInput : _endOfInput;

    internal override bool HasUnread => !_bytes.HasEnded && _inner.HasUnread;

    internal override bool MayBlockHere => _inner.MayBlockHere;

    internal override void Attach(EventLoop? loop) => _inner.Attach(loop);

    internal override void ExpectFirstByte() => _inner.ExpectFirstByte();

    internal override void EndBoth() => _inner.EndBoth();

    internal override void SetNoDelay(bool noDelay) => _inner.SetNoDelay(noDelay);

    internal override void WaitInline(Func<object?, bool> done, object? state) => _inner.WaitInline(done, state);

    /// <summary>The handshake begins, perhaps with bytes that are here already. In a piece of the call.</summary>
    internal void BeginHandshake(byte[] received)
    {
        _bytes.Prepend(received);
        _phase = Phase.Handshake;
    }

    /// <summary>The handshake is done: what has waited for it goes out. In a piece of the call.</summary>
    internal void EndHandshake(string? serverName)
    {
        Info = new TlsInfo(this, serverName);
        _bytes.IsSecure = true;
        _phase = Phase.Secure;
        _isWriting = false;
        WriteQueue();
    }

    /// <summary>The handshake has failed, and so does what has waited for it: it must not go out in clear. In a piece of the
    /// call.</summary>
    internal void FailHandshake(Exception cause)
    {
        _isWriting = false;
        Abort(cause);
        FailWrites(_fault!);
    }

    /// <summary>What a failed operation tells: the connection's own end, which this is if there was none.</summary>
    private Exception Failure(Exception exception)
    {
        if (exception is OperationCanceledException or InvalidOperationException and not ObjectDisposedException)
        {
            return exception;
        }
        Exception fault = exception as ConnectionEndedException ?? exception.InnerException as ConnectionEndedException ?? _fault
            ?? Connection.Broken(ConnectionEndReason.Reset, Describe("The TLS connection broke", exception), exception);
        Abort(fault);
        return _fault!;
    }

    /// <summary>What has failed, and why: the base library says that in its inner exceptions, a peer's alert too.</summary>
    internal static string Describe(string what, Exception exception)
    {
        string all = $"{what}:";
        for (Exception? one = exception; one is not null; one = one.InnerException)
        {
            all += $" {one.Message.Replace(", see inner exception.", ".", StringComparison.Ordinal)}";
        }
        return all;
    }

    internal override void Abort(Exception cause)
    {
        Exception first = Interlocked.CompareExchange(ref _fault, cause, null) ?? cause;
        _inner.Abort(first);
    }

    internal override void Close()
    {
        if (_closed)
        {
            return;
        }
        _closed = true;
        Interlocked.CompareExchange(ref _fault, OnClosed(), null);
        // First what carries it: what is pending fails with the connection's end, not with that of the stream.
        _inner.Close();
        _isWriting &= _phase == Phase.Secure;
        FailWrites(_fault);
        _stream.Dispose();
    }

    private void InPiece(SendOrPostCallback callback)
    {
        if (_inner.IsCurrent)
        {
            callback(this);
        }
        else
        {
            _inner.Context!.Post(callback, this);
        }
    }

    /// <summary>The stream completes without a context (<see cref="CompletionScope"/>); who asked for the call's gets it.</summary>
    private readonly struct ContinuationScope
    {
        private readonly SynchronizationContext? _before;

        private ContinuationScope(SynchronizationContext? before) => _before = before;

        internal static ContinuationScope Enter(SynchronizationContext? wanted)
        {
            SynchronizationContext? before = SynchronizationContext.Current;
            SynchronizationContext.SetSynchronizationContext(wanted);
            return new ContinuationScope(before);
        }

        internal void Leave() => SynchronizationContext.SetSynchronizationContext(_before);
    }
}
