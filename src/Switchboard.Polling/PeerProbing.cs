using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>How the kernel finds out that the peer of a TCP connection has vanished: the same for connections that come in and
/// those that go out.</summary>
/// <param name="KeepAlive">SO_KEEPALIVE; the other three of it count only then.</param>
/// <param name="Time">TCP_KEEPIDLE.</param>
/// <param name="Interval">TCP_KEEPINTVL.</param>
/// <param name="Probes">TCP_KEEPCNT.</param>
/// <param name="UserTimeout">TCP_USER_TIMEOUT; null for the kernel's own.</param>
internal sealed record PeerProbing(bool KeepAlive, TimeSpan Time, TimeSpan Interval, int Probes, TimeSpan? UserTimeout)
{
    internal static readonly TimeSpan StandardTime = TimeSpan.FromMinutes(2);
    internal static readonly TimeSpan StandardInterval = TimeSpan.FromSeconds(15);
    internal const int StandardProbes = 4;

    /// <summary>Sets it on a socket that this library has made.</summary>
    internal void Set(int descriptor)
    {
        if (KeepAlive)
        {
            Set(descriptor, SocketCallOption.KeepAlive, 1);
            Set(descriptor, SocketCallOption.KeepAliveTime, Seconds(Time));
            Set(descriptor, SocketCallOption.KeepAliveInterval, Seconds(Interval));
            Set(descriptor, SocketCallOption.KeepAliveProbes, Probes);
        }
        if (UserTimeout is { } time)
        {
            Set(descriptor, SocketCallOption.UserTimeout, (int)Math.Ceiling(time.TotalMilliseconds));
        }
    }

    /// <summary>Sets it on a socket of the base library, which has no word for the user timeout.</summary>
    internal void Set(Socket socket)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, KeepAlive);
        if (KeepAlive)
        {
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, Seconds(Time));
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, Seconds(Interval));
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Probes);
        }
        if (UserTimeout is not null)
        {
            LinuxPlatform.Require();
            (this with { KeepAlive = false }).Set((int)socket.Handle);
        }
    }

    internal static TimeSpan CheckedTime(TimeSpan value) => value >= TimeSpan.FromSeconds(1) && value <= TimeSpan.FromSeconds(32_767)
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "A time of keep-alive must be from 1 second to 32,767 seconds.");

    internal static int CheckedProbes(int value) => value is >= 1 and <= 127
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "KeepAliveProbes must be from 1 to 127.");

    internal static TimeSpan? CheckedUserTimeout(TimeSpan? value) => value is not { } time || (time > TimeSpan.Zero && time <= TimeSpan.FromDays(24))
        ? value
        : throw new ArgumentOutOfRangeException(nameof(value), value, "UserTimeout must be from 1 millisecond to 24 days, or null for the kernel's own.");

    private static int Seconds(TimeSpan time) => (int)Math.Ceiling(time.TotalSeconds);

    private static void Set(int descriptor, SocketCallOption option, int value) =>
        SocketCalls.SetOption(descriptor, option, value).OrThrow("setsockopt", option.ToString());
}
