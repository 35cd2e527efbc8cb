using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>Whether the loops of a server respond.</summary>
internal static class LoopResponse
{
    /// <summary>Asks a server.</summary>
    /// <param name="server">The server. One that has ended has no loops, and responds at once.</param>
    /// <param name="within">How long to wait.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>How long the slowest loop took; null if one did not respond in time.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal static async Task<TimeSpan?> MeasureAsync(SocketServer server, TimeSpan within, CancellationToken cancellation)
    {
        using var time = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        time.CancelAfter(within);
        Task<TimeSpan> measured = server.MeasureResponseAsync(time.Token);
        Task first = await Task.WhenAny(measured, server.Completion).ConfigureAwait(false);
        if (first == server.Completion)
        {
            await time.CancelAsync().ConfigureAwait(false);
            await ((Task)measured).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return TimeSpan.Zero;
        }
        try
        {
            return await measured.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return null;
        }
    }
}
