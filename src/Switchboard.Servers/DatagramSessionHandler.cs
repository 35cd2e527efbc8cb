namespace Switchboard.Servers;

/// <summary>Serves one session by awaiting. A new object serves each, and each await comes back to the session's own thread, loop
/// or row of pieces. Override <see cref="HandleAsync"/>, and the other two where a session needs something made before or ended
/// after.</summary>
/// <remarks>It is disposed as a <see cref="CallHandler"/> is.</remarks>
public abstract class DatagramSessionHandler
{
    private DatagramSession? _session;

    /// <summary>The session.</summary>
    /// <exception cref="InvalidOperationException">The handler serves none yet.</exception>
    public DatagramSession Session => _session ?? throw new InvalidOperationException("The handler serves no session yet. Use it in Setup, Handle and Finish, not in the constructor.");

    /// <summary>Prepares the session. If it fails, neither handle nor finish runs.</summary>
    /// <param name="stop">Cancelled when the server stops.</param>
    /// <returns>Completes when the session is prepared.</returns>
    protected virtual Task SetupAsync(CancellationToken stop) => Task.CompletedTask;

    /// <summary>Serves the session, which ends when it returns.</summary>
    /// <param name="stop">Cancelled when the server stops; leaving by <see cref="OperationCanceledException"/> is then a
    /// normal end.</param>
    /// <returns>Completes when the session is served.</returns>
    protected abstract Task HandleAsync(CancellationToken stop);

    /// <summary>Runs after handle, whether it returned or failed.</summary>
    /// <returns>Completes when all is cleared up.</returns>
    protected virtual Task FinishAsync() => Task.CompletedTask;

    /// <summary>Serves a session from beginning to end: setup, handle, and finish even if handle failed.</summary>
    /// <param name="session">The session.</param>
    /// <param name="stop">Cancelled when the server stops.</param>
    /// <returns>Completes when the session is served.</returns>
    public async Task RunAsync(DatagramSession session, CancellationToken stop = default)
    {
        if (Interlocked.CompareExchange(ref _session, session, null) is not null)
        {
            throw new HandlerTakenException(this, $"{_session}", "session");
        }
        await SetupAsync(stop);
        try
        {
            await HandleAsync(stop);
        }
        finally
        {
            await FinishAsync();
        }
    }
}

/// <summary>A handler of sessions that is a lambda.</summary>
internal sealed class LambdaDatagramSessionHandler(Func<DatagramSession, CancellationToken, Task> handle) : DatagramSessionHandler
{
    protected override Task HandleAsync(CancellationToken stop) => handle(Session, stop);
}
