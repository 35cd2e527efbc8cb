using System.IO.Pipelines;

namespace Switchboard.Servers;

/// <summary>Two connections joined in memory, for tests of handlers without a socket: hand <see cref="Server"/> to the
/// handler's RunAsync, and be the caller at <see cref="Client"/>. Time limits do not apply; sizes do.</summary>
public sealed class ConnectionPair : IDisposable
{
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Joins two connections.</summary>
    /// <param name="limits">The limits of both ends; null for the defaults.</param>
    public ConnectionPair(ConnectionLimits? limits = null)
    {
        // As much as a socket would take before a write waits.
        var options = new PipeOptions(pauseWriterThreshold: 256 * 1024, resumeWriterThreshold: 128 * 1024, useSynchronizationContext: true);
        var there = new Pipe(options);
        var back = new Pipe(options);
        limits ??= ConnectionLimits.Default;
        Client = new Connection(1, new MemoryTransport(back.Reader, there.Writer), limits, CancellationToken.None);
        Server = new Connection(2, new MemoryTransport(there.Reader, back.Writer), limits, _stopping.Token);
    }

    /// <summary>The caller's end.</summary>
    public Connection Client { get; }

    /// <summary>The handler's end.</summary>
    public Connection Server { get; }

    /// <summary>Cancels <see cref="Connection.Stopping"/> of the server's end, as a server's stop does.</summary>
    public void Stop() => _stopping.Cancel();

    /// <summary>Closes the server's end, as a server does when the handler has returned.</summary>
    /// <returns>How it ended.</returns>
    public ConnectionEnd CloseServer() => Server.Close();

    /// <summary>Closes the caller's end.</summary>
    /// <returns>How it ended.</returns>
    public ConnectionEnd CloseClient() => Client.Close();

    /// <summary>Closes both ends.</summary>
    public void Dispose()
    {
        CloseClient();
        CloseServer();
        _stopping.Dispose();
    }
}
