using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>What a <see cref="LoopSocket"/> asks of the connection that it carries. All members are called on the
/// loop's thread and must not throw; a time limit of <see cref="Timeout.InfiniteTimeSpan"/> means none.</summary>
public interface ILoopSocketOwner
{
    /// <summary>How long a read may wait without a byte. Asked once.</summary>
    TimeSpan IdleLimit { get; }

    /// <summary>How long the first byte may take while a read waits, counted from when the socket was taken or
    /// <see cref="LoopSocket.ExpectFirstByte"/> was called. Unless this is overridden, for ever.</summary>
    TimeSpan FirstByteLimit => Timeout.InfiniteTimeSpan;

    /// <summary>How long a write may wait while the peer takes no byte.</summary>
    TimeSpan WriteStallLimit { get; }

    /// <summary>How many bytes of <see cref="LoopSocket.TrySend"/> may wait to be sent.</summary>
    int PendingSendLimit { get; }

    /// <summary>The token whose reads are ended by <see cref="LoopSocket.CancelOwnerReads"/> instead of a registration each. Asked once.</summary>
    CancellationToken StopToken { get; }

    /// <summary>A read has waited too long.</summary>
    /// <param name="limit">The limit.</param>
    /// <returns>What pending and later operations fail with.</returns>
    Exception OnIdle(TimeSpan limit);

    /// <summary>The first byte has not come in time. Unless this is overridden, as <see cref="OnIdle"/>.</summary>
    /// <param name="limit">The limit.</param>
    /// <returns>What pending and later operations fail with.</returns>
    Exception OnNoFirstByte(TimeSpan limit) => OnIdle(limit);

    /// <summary>A copy was refused because others wait already and it would not fit beside them. Called by the thread that
    /// calls <see cref="LoopSocket.TrySend"/>, whichever that is. Does nothing unless this is overridden.</summary>
    void OnPendingSendFull()
    {
    }

    /// <summary>A write has waited too long.</summary>
    /// <param name="limit">The limit.</param>
    /// <returns>What pending and later operations fail with.</returns>
    Exception OnWriteStalled(TimeSpan limit);

    /// <summary>The kernel reported an error of the connection: reset, for one.</summary>
    /// <param name="error">What it said.</param>
    /// <returns>What pending and later operations fail with.</returns>
    Exception OnError(SystemCallException error);

    /// <summary>A write was cancelled after a part of it was sent, which can't be taken back.</summary>
    /// <param name="sent">How many bytes were sent.</param>
    /// <param name="length">How many there were to send.</param>
    /// <returns>What pending and later operations fail with.</returns>
    Exception OnTornWrite(int sent, int length);

    /// <summary>The socket is closed by its owner.</summary>
    /// <returns>What pending and later operations fail with.</returns>
    Exception OnClosed();

    /// <summary>The loop has ended before the socket was closed. Unless this is overridden, as <see cref="OnClosed"/>.</summary>
    /// <returns>What pending and later operations fail with.</returns>
    Exception OnLoopEnded() => OnClosed();
}
