using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>Sockets that belong to no server: no limit of time, and exceptions as the kernel's answers make them.</summary>
internal sealed class PlainSocketOwner : ILoopSocketOwner
{
    private PlainSocketOwner()
    {
    }

    internal static PlainSocketOwner Instance { get; } = new();

    public TimeSpan IdleLimit => Timeout.InfiniteTimeSpan;

    public TimeSpan WriteStallLimit => Timeout.InfiniteTimeSpan;

    public int PendingSendLimit => 64 * 1024;

    public CancellationToken StopToken => CancellationToken.None;

    public Exception OnIdle(TimeSpan limit) => new TimeoutException($"No byte came from the peer for {limit}.");

    public Exception OnWriteStalled(TimeSpan limit) => new TimeoutException($"The peer took no byte for {limit}.");

    public Exception OnError(SystemCallException error) => error;

    public Exception OnTornWrite(int sent, int length) => new IOException(
        $"A write was cancelled after {sent} of its {length} bytes were sent, which ends the connection: a part can't be taken back.");

    public Exception OnClosed() => new ObjectDisposedException(nameof(LoopSocket), "The socket is closed. Await what you began before you dispose it.");

    public Exception OnLoopEnded() => EventLoop.Ended();
}
