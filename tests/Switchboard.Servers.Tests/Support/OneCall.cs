namespace Switchboard.Servers.Tests;

/// <summary>A server for one handler whose result, failure and end a test can await.</summary>
internal sealed class OneCall<T> : IAsyncDisposable
{
    private readonly TaskCompletionSource<T> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ConnectionEnd> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly Certificates? _certificates;

    /// <param name="model">The model.</param>
    /// <param name="handle">The handler.</param>
    /// <param name="options">The server's options.</param>
    /// <param name="certificates">Those for server and caller to speak TLS with.</param>
    internal OneCall(Concurrency model, Func<Connection, CancellationToken, Task<T>> handle, ServerOptions? options = null, Certificates? certificates = null)
    {
        _certificates = certificates;
        options ??= new ServerOptions();
        Server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            try
            {
                _result.TrySetResult(await handle(connection, stop));
            }
            catch (Exception exception)
            {
                _result.TrySetException(exception);
                throw;
            }
        }, model, options with { LoggerFactory = Log, Tls = certificates?.Options("localhost") ?? options.Tls });
        Server.ConnectionEnded += (_, end) => _end.TrySetResult(end);
    }

    internal RecordingLog Log { get; } = new();

    internal TcpServer Server { get; }

    /// <summary>What the handler returned or threw.</summary>
    internal Task<T> Result => _result.Task.InTime();

    internal Task<ConnectionEnd> End => _end.Task.InTime();

    internal async Task<Caller> CallAsync(int? receiveBuffer = null)
    {
        await Server.StartAsync().InTime();
        Caller caller = await Caller.ConnectAsync(Server, receiveBuffer);
        await caller.SecureAsync(_certificates);
        return caller;
    }

    public async ValueTask DisposeAsync() => await Server.StopAsync(TimeSpan.Zero).InTime();
}

internal static class Sizes
{
    /// <summary>More than the kernel's buffers of a loopback connection hold, with a small receive buffer on one side.</summary>
    internal const int MoreThanBuffered = 16 * 1024 * 1024;

    internal static byte[] Pattern(int count, int seed = 0)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
