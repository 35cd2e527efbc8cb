namespace Switchboard.Polling;

/// <summary>How a listening or datagram socket is made. Each option sets one option of the socket and no other.</summary>
public sealed record ListenerOptions
{
    /// <summary>SO_REUSEADDR: bind although old connections are in TIME_WAIT. Default true. It does not let two
    /// listeners share a port on Linux. Of datagram servers <see cref="DatagramOptions.ReuseAddress"/> decides.</summary>
    public bool ReuseAddress { get; init; } = true;

    /// <summary>SO_REUSEPORT: share the port with other sockets of the same user that set it too. A server on several event
    /// loops then has a listener or datagram socket for each: the kernel deals callers by their addresses, and a caller dealt to a loop that
    /// is held up waits for it. Default false.</summary>
    public bool ReusePort { get; init; }

    /// <summary>True for an IPv6 socket on the any address to take IPv4 callers too. Default true.</summary>
    public bool DualMode { get; init; } = true;

    /// <summary>TCP_NODELAY, which accepted connections inherit. Default true.</summary>
    public bool NoDelay { get; init; } = true;

    /// <summary>The access mode of a Unix socket's file: who may write to it may connect (<c>unix(7)</c>). It never has more
    /// than this, not even at the moment of its making. Null for what the process's umask leaves. Default null.</summary>
    public UnixFileMode? UnixMode { get; init; }

    /// <summary>The user that a Unix socket's file is given to, by name or number: who owns it and may change its mode. Only root
    /// gives files away. Null for the user of this process. Default null. Source: <c>chown(2)</c>.</summary>
    /// <remarks>Only in a folder that nobody else may write to is the file at the path surely the socket's own.</remarks>
    public string? UnixUser { get; init => field = AccountNames.Checked(value); }

    /// <summary>The group that a Unix socket's file is given to, by name or number: with a <see cref="UnixMode"/> of 0660 its members
    /// may connect. Root may name any, others the groups that they are in. Null for the group of this process. Default null.</summary>
    public string? UnixGroup { get; init => field = AccountNames.Checked(value); }

    /// <summary>SO_KEEPALIVE, which accepted connections inherit. Default true.</summary>
    public bool KeepAlive { get; init; } = true;

    /// <summary>TCP_KEEPIDLE, which accepted connections inherit: how long a connection is silent before the kernel asks
    /// whether the peer is still there; 1 second to 32,767 seconds, rounded up to seconds. Default 2 minutes; without it the
    /// kernel asks after 2 hours. Nothing if <see cref="KeepAlive"/> is off, and on Unix sockets. Source: <c>tcp(7)</c>.</summary>
    public TimeSpan KeepAliveTime { get; init => field = PeerProbing.CheckedTime(value); } = PeerProbing.StandardTime;

    /// <summary>TCP_KEEPINTVL, which accepted connections inherit: the time between two questions; 1 second to 32,767 seconds,
    /// rounded up to seconds. Default 15 seconds.</summary>
    public TimeSpan KeepAliveInterval { get; init => field = PeerProbing.CheckedTime(value); } = PeerProbing.StandardInterval;

    /// <summary>TCP_KEEPCNT, which accepted connections inherit: after so many questions without an answer the connection is
    /// given up; 1 to 127. Default 4.</summary>
    public int KeepAliveProbes { get; init => field = PeerProbing.CheckedProbes(value); } = PeerProbing.StandardProbes;

    /// <summary>TCP_USER_TIMEOUT, which accepted connections inherit: how long what was sent may stay unconfirmed by the peer
    /// before the connection is given up; 1 millisecond to 24 days, rounded up to milliseconds. It counts for a peer that
    /// takes nothing too, and takes the place of <see cref="KeepAliveProbes"/>. Null for the kernel's retries, some 15
    /// minutes. Default null. Linux only. Source: <c>tcp(7)</c>.</summary>
    public TimeSpan? UserTimeout { get; init => field = PeerProbing.CheckedUserTimeout(value); }

    internal PeerProbing Probing => new(KeepAlive, KeepAliveTime, KeepAliveInterval, KeepAliveProbes, UserTimeout);
}
