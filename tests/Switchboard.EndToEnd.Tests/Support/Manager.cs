using System.Net.Sockets;
using System.Text;

namespace Switchboard.EndToEnd.Tests;

/// <summary>A service manager's end of <c>sd_notify(3)</c>.</summary>
internal sealed class Manager : IDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);

    internal Manager(TemporaryFolder folder)
    {
        Path = folder["notify"];
        _socket.Bind(new UnixDomainSocketEndPoint(Path));
    }

    /// <summary>What NOTIFY_SOCKET must be.</summary>
    internal string Path { get; }

    /// <summary>The next message.</summary>
    internal async Task<string> ReceiveAsync()
    {
        using var time = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        time.CancelAfter(_patience);
        var buffer = new byte[4096];
        return Encoding.UTF8.GetString(buffer, 0, await _socket.ReceiveAsync(buffer, time.Token));
    }

    /// <summary>The next message that is not one of the watchdog's.</summary>
    internal async Task<string> ReceiveNewsAsync()
    {
        string message;
        do
        {
            message = await ReceiveAsync();
        }
        while (message == "WATCHDOG=1");
        return message;
    }

    public void Dispose() => _socket.Dispose();
}
