namespace Switchboard.Servers.Tests;

/// <summary>A server for one handler whose result, failure and end a test can await.</summary>
internal sealed class OneCall<T> : IAsyncDisposable
{
    private readonly TaskCompletionSource<T> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ConnectionEnd> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal OneCall(Concurrency model, Func<Connection, CancellationToken, Task<T>> handle, ServerOptions? options = null)
    {
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
        }, model, options is null ? new ServerOptions { LoggerFactory = Log } : options with { LoggerFactory = Log });
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
        return await Caller.ConnectAsync(Server, receiveBuffer);
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
