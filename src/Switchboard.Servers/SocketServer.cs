using System.Net;
using Microsoft.Extensions.Logging;

namespace Switchboard.Servers;

/// <summary>
/// A server on a socket. A request (a connection, or a datagram) walks through a fixed row of small steps, each of which
/// can be overridden in <see cref="SocketServer{TRequest}"/>.
/// </summary>
/// <remarks>Methods for users: <see cref="Bind"/>, <see cref="Activate"/>, <see cref="StartAsync"/>,
/// <see cref="ServeForeverAsync"/>, <see cref="HandleRequestAsync"/>, <see cref="StopAsync(TimeSpan?)"/>. All may be called from
/// any thread, from handlers too. The design is CPython's <c>socketserver</c>; the differences stand in
/// docs/from-python.md.</remarks>
public abstract class SocketServer : IAsyncDisposable
{
    private protected SocketServer(ServerAddress address, ServerOptions? options, string kind)
    {
        Address = address;
        Options = options ?? new ServerOptions();
        Name = Options.Name ?? $"{kind} {address}";
        Logger = (Options.LoggerFactory ?? StandardErrorLoggerFactory.Instance).CreateLogger(GetType().FullName ?? nameof(SocketServer));
    }

    /// <summary>The address that was asked for.</summary>
    public ServerAddress Address { get; }

    /// <summary>The server's options.</summary>
    public ServerOptions Options { get; }

    /// <summary>The server's name in log lines and thread names.</summary>
    public string Name { get; }

    /// <summary>The address that it has, with the real port; null until <see cref="Bind"/>.</summary>
    public EndPoint? LocalEndPoint { get; private protected set; }

    /// <summary>Cancelled when the server is stopped; what handlers get as their token.</summary>
    public abstract CancellationToken Stopping { get; }

    /// <summary>Completes when the server has ended: successfully after a stop, with the error if accepting failed for good.</summary>
    public abstract Task Completion { get; }

    /// <summary>What it has done so far.</summary>
    public abstract ServerStatistics Statistics { get; }

    /// <summary>Where calls run.</summary>
    public abstract Concurrency Concurrency { get; }

    /// <summary>Asks each loop of the server to run a piece of work, and waits until it has: a loop that is held up, by a handler
    /// that blocks, does not answer. Under <see cref="Concurrency.Threads"/>, <see cref="Concurrency.Sequential"/> and
    /// <see cref="Concurrency.Tasks"/> the loop that accepts is asked. Any thread.</summary>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>How long the slowest loop took.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled before each had answered.</exception>
    public abstract Task<TimeSpan> MeasureResponseAsync(CancellationToken cancellation = default);

    private protected ILogger Logger { get; }

    /// <summary>Makes the server one of a group.</summary>
    /// <param name="loops">The loops that it has in common with others of it; null if it keeps its own.</param>
    internal abstract void JoinGroup(SharedLoops? loops);

    /// <summary>Makes the socket and gives it its address. Done by <see cref="StartAsync"/> if it was not done before.</summary>
    /// <exception cref="Linux.AddressInUseException">Somebody answers on the address.</exception>
    /// <exception cref="Linux.SystemCallException">The kernel refused.</exception>
    public abstract void Bind();

    /// <summary>Lets callers in: they wait in the backlog until the server serves. Done by <see cref="StartAsync"/> if it
    /// was not done before.</summary>
    public abstract void Activate();

    /// <summary>Binds, activates and begins to serve, on a thread of the server's own.</summary>
    /// <param name="cancellation">Ends the start.</param>
    /// <returns>Completes when callers can connect.</returns>
    /// <exception cref="Linux.AddressInUseException">Somebody answers on the address.</exception>
    public abstract Task StartAsync(CancellationToken cancellation = default);

    /// <summary>Starts and serves until it is stopped.</summary>
    /// <param name="stop">Stops the server, with <see cref="ServerOptions.Grace"/> for the calls that run.</param>
    /// <returns>Completes when the server has ended.</returns>
    public async Task ServeForeverAsync(CancellationToken stop = default)
    {
        await StartAsync(CancellationToken.None).ConfigureAwait(false);
        await using CancellationTokenRegistration registration = stop.UnsafeRegister(static self => _ = ((SocketServer)self!).StopAsync(), this);
        await Completion.ConfigureAwait(false);
    }

    /// <summary>Serves one request: waits for it at most <see cref="ServerOptions.RequestTimeout"/>, then hands it to the
    /// concurrency model. Binds and activates if that was not done.</summary>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>True when a request was handed over (under Sequential: served); false after the timeout.</returns>
    /// <exception cref="InvalidOperationException">The server serves for ever already, was stopped, or has sessions.</exception>
    /// <remarks>What an overridden OnTimeout throws is thrown here.</remarks>
    public abstract Task<bool> HandleRequestAsync(CancellationToken cancellation = default);

    /// <summary>Stops with <see cref="ServerOptions.Grace"/>.</summary>
    /// <returns>As <see cref="StopAsync(TimeSpan?)"/>.</returns>
    public Task StopAsync() => StopAsync(null);

    /// <summary>Stops: takes no more callers, tells handlers by their token, waits for the calls that run, and ends those
    /// that are left after the grace time. A second call with a shorter grace cuts the first one's short.</summary>
    /// <param name="grace">The grace time; null for <see cref="ServerOptions.Grace"/>.</param>
    /// <returns>Completes when the server has ended. Called by a handler, it completes when all other calls have ended, so
    /// that a handler may await it. A handler that has left its thread or loop, after <c>ConfigureAwait(false)</c> on
    /// something that is not its connection's, is not known for one: it is ended after the grace time as if it worked on.</returns>
    public abstract Task StopAsync(TimeSpan? grace);

    /// <summary>Stops with <see cref="ServerOptions.Grace"/> and frees everything.</summary>
    /// <returns>Completes when nothing of the server is left; fails as <see cref="Completion"/> does.</returns>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
