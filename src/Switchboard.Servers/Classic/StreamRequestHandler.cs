namespace Switchboard.Servers.Classic;

/// <summary>
/// The handler of CPython's <c>socketserver.StreamRequestHandler</c>: a buffered reader for input with lines, a writer for
/// output, a time limit and no-delay. It awaits, so it runs under every concurrency model.
/// </summary>
public abstract class StreamRequestHandler : RequestHandler
{
    private Stream? _output;

    /// <summary>How much output is gathered before it is sent, in bytes; 0 to send each write at once. Default 0.</summary>
    protected virtual int WriteBufferSize => 0;

    /// <summary>How long one read or write may take; null for the server's own limits. Default null.</summary>
    protected virtual TimeSpan? Timeout => null;

    /// <summary>Whether small writes are sent at once (TCP_NODELAY); null for what the server's options say, which is true
    /// unless changed. Default null.</summary>
    protected virtual bool? NoDelay => null;

    /// <summary>Where to write. Gathered output is sent by FlushAsync and at the end of the call.</summary>
    protected Stream Output => _output ?? throw new InvalidOperationException("The output is there from SetupAsync on. Call base.SetupAsync first.");

    /// <summary>Reads one line with its end, LF or CR LF.</summary>
    /// <param name="stop">Ends the wait.</param>
    /// <returns>The line; without an end if the peer closed in the middle of it; empty at the end of input.</returns>
    /// <exception cref="MessageTooLongException">The line exceeds <see cref="ConnectionLimits.Message"/>.</exception>
    /// <exception cref="TimeoutException">It took longer than <see cref="Timeout"/>.</exception>
    protected async ValueTask<byte[]> ReadLineAsync(CancellationToken stop = default) =>
        (await LimitAsync(token => Connection.ReadMessageAsync(WholeLine.Framing, token), stop))?.ToArray() ?? [];

    /// <summary>Reads an exact number of bytes, fewer only if the input ends.</summary>
    /// <param name="count">How many, 0 or more.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <returns>The bytes.</returns>
    /// <exception cref="TimeoutException">A read took longer than <see cref="Timeout"/>.</exception>
    protected async ValueTask<byte[]> ReadAsync(int count, CancellationToken stop = default)
    {
        var bytes = new byte[count];
        int filled = 0;
        while (filled < count)
        {
            int read = await LimitAsync(token => Connection.ReadAsync(bytes.AsMemory(filled), token), stop);
            if (read == 0)
            {
                return bytes[..filled];
            }
            filled += read;
        }
        return bytes;
    }

    /// <summary>Writes to <see cref="Output"/>.</summary>
    /// <param name="bytes">What to write.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <returns>Completes when it is sent, or gathered.</returns>
    /// <exception cref="TimeoutException">It took longer than <see cref="Timeout"/>.</exception>
    protected async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken stop = default) =>
        await LimitAsync(async token =>
        {
            await Output.WriteAsync(bytes, token);
            return true;
        }, stop);

    /// <inheritdoc/>
    protected override Task SetupAsync(CancellationToken stop)
    {
        if (NoDelay is { } noDelay)
        {
            Connection.SetNoDelay(noDelay);
        }
        Stream stream = Connection.AsStream();
        _output = WriteBufferSize > 0 ? new BufferedStream(stream, WriteBufferSize) : stream;
        return Task.CompletedTask;
    }

    /// <summary>Sends what was gathered.</summary>
    /// <returns>Completes when it is sent.</returns>
    protected override Task FinishAsync() => Output.FlushAsync();

    private async ValueTask<T> LimitAsync<T>(Func<CancellationToken, ValueTask<T>> act, CancellationToken stop)
    {
        if (Timeout is not { } limit)
        {
            return await act(stop);
        }
        using var source = CancellationTokenSource.CreateLinkedTokenSource(stop);
        source.CancelAfter(limit);
        try
        {
            return await act(source.Token);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new TimeoutException($"The peer took longer than {limit}, which is {GetType().Name}.Timeout.");
        }
    }

    /// <summary>Lines with their ends.</summary>
    private sealed class WholeLine : Framing
    {
        internal static WholeLine Framing { get; } = new();

        public override bool TryRead(ReadOnlySpan<byte> received, int examined, out Frame frame, out long announced)
        {
            announced = 0;
            int end = examined + received[examined..].IndexOf((byte)'\n') + 1;
            frame = new Frame(0, end, end);
            return end > examined;
        }

        public override Frame? ReadRest(ReadOnlySpan<byte> rest) => new Frame(0, rest.Length, rest.Length);
    }
}
