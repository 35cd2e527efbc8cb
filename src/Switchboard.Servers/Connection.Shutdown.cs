namespace Switchboard.Servers;

// The last words of a connection, before it is closed.
public sealed partial class Connection
{
    private static readonly TimeSpan _linger = TimeSpan.FromSeconds(2);

    private bool MustTakeUnread =>
        !_transport.EndOfInput
        && Reason is null or ConnectionEndReason.MessageTooLong or ConnectionEndReason.HandlerFailed
        && (Reason == ConnectionEndReason.MessageTooLong || HasUnread);

    /// <summary>Sends what is waiting. Where the peer has sent more than was read, our direction is ended, and that is taken
    /// and dropped for up to 2 seconds: closing at once would reset the connection, and the peer would lose our last words.
    /// In a piece of the call; never fails.</summary>
    internal ValueTask ShutdownAsync()
    {
        ValueTask flushed = _transport.FlushAsync();
        return flushed.IsCompletedSuccessfully && !MustTakeUnread ? ValueTask.CompletedTask : LingerAsync(flushed);
    }

    private async ValueTask LingerAsync(ValueTask flushed)
    {
        try
        {
            await flushed;
            if (MustTakeUnread && _transport is StreamTransport transport)
            {
                await transport.EndReadAsync();
                await transport.CloseOutputAsync();
                using var time = new CancellationTokenSource(_linger);
                var waste = new byte[4096];
                while (await transport.ReadAsync(waste, time.Token) > 0)
                {
                }
            }
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or InvalidOperationException)
        {
            // The peer is gone, or goes on sending (it had its time), or what was left behind reads on.
        }
    }
}
