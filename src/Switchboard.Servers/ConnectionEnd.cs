namespace Switchboard.Servers;

/// <summary>Why a connection, or a session of datagrams, ended. The first cause wins.</summary>
public enum ConnectionEndReason
{
    /// <summary>The handler returned while the peer was still there.</summary>
    HandlerReturned,
    /// <summary>The peer ended its direction, and the handler returned after that.</summary>
    PeerClosed,
    /// <summary>The peer reset the connection, or the network lost it.</summary>
    Reset,
    /// <summary>No byte came for <see cref="ConnectionLimits.Idle"/>, or no datagram for <see cref="DatagramSessionOptions.Idle"/>.</summary>
    Idle,
    /// <summary>The peer took no byte for <see cref="ConnectionLimits.WriteStall"/>.</summary>
    WriteStalled,
    /// <summary>A message was longer than <see cref="ConnectionLimits.Message"/>.</summary>
    MessageTooLong,
    /// <summary>The server was at its limit of connections and refused this one.</summary>
    Limit,
    /// <summary>The server was stopped.</summary>
    Stopped,
    /// <summary>The handler threw.</summary>
    HandlerFailed,
    /// <summary>Somebody called <see cref="Connection.Abort()"/> or <see cref="DatagramSession.End()"/>.</summary>
    Aborted,
    /// <summary>The server's Verify said no.</summary>
    Unverified,
    /// <summary>The peer sent no byte within <see cref="ConnectionLimits.FirstByte"/>.</summary>
    NoFirstByte,
    /// <summary>The call took longer than <see cref="ConnectionLimits.Call"/>.</summary>
    CallTooLong,
    /// <summary>More than <see cref="ConnectionLimits.PendingSend"/> waited for the peer, and
    /// <see cref="ConnectionLimits.SlowPeer"/> says that such a peer is ended.</summary>
    TooSlow,
    /// <summary>The PROXY header or the TLS handshake was wrong, or not done within <see cref="ConnectionLimits.Handshake"/>.</summary>
    HandshakeFailed,
}

/// <summary>How one connection ended. Every connection that was opened has exactly one end.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Exception">The error behind it, if there is one.</param>
/// <param name="Received">Bytes received.</param>
/// <param name="Sent">Bytes handed to the kernel.</param>
/// <param name="Duration">From accept to end.</param>
public sealed record ConnectionEnd(ConnectionEndReason Reason, Exception? Exception, long Received, long Sent, TimeSpan Duration);

/// <summary>The connection has ended, so that it can't be read or written any more.</summary>
public class ConnectionEndedException : IOException
{
    /// <summary>Says why a connection has ended.</summary>
    /// <param name="reason">Why.</param>
    /// <param name="message">A sentence: what happened, and which setting or side decided it.</param>
    /// <param name="inner">The error behind it.</param>
    public ConnectionEndedException(ConnectionEndReason reason, string message, Exception? inner = null)
        : base(message, inner) => Reason = reason;

    /// <summary>Why.</summary>
    public ConnectionEndReason Reason { get; }
}

/// <summary>A message is longer than the limit. The connection can still be written to, for a last word, but not read.</summary>
public sealed class MessageTooLongException : ConnectionEndedException
{
    /// <summary>Describes the message.</summary>
    /// <param name="limit">The limit, in bytes.</param>
    /// <param name="length">The length that the peer announced, or null if it is only known to exceed the limit.</param>
    public MessageTooLongException(int limit, long? length = null)
        : base(ConnectionEndReason.MessageTooLong, length is { } known
            ? $"The peer announced a message of {known} bytes; ConnectionLimits.Message allows {limit}."
            : $"No end of message within {limit} bytes, which is ConnectionLimits.Message.")
    {
        Limit = limit;
        Length = length;
    }

    /// <summary>The limit, in bytes.</summary>
    public int Limit { get; }

    /// <summary>The announced length, if it was announced.</summary>
    public long? Length { get; }
}
