using System.Net;

namespace Switchboard.Servers;

/// <summary>A connection's bytes in memory: what one end writes, the other reads. It keeps the promises of a socket, but
/// for the time limits; awaits go on wherever the awaiter's own context says.</summary>
internal sealed class MemoryTransport(MemoryDirection input, MemoryDirection output) : Transport
{
    private readonly Lock _gate = new();
    private Connection? _connection;
    private Exception? _fault;
    private Task _lastWrite = Task.CompletedTask;
    private int _reading;
    private int _copiedPending;
    private bool _outputClosed;
    private long _received;
    private long _sent;
    private volatile bool _endOfInput;

    internal override EndPoint? LocalEndPoint => null;

    internal override EndPoint? RemoteEndPoint => null;

    internal override long Received => Interlocked.Read(ref _received);

    internal override long Sent => Interlocked.Read(ref _sent);

    internal override bool EndOfInput => _endOfInput;

    private Connection Connection => _connection ?? throw new InvalidOperationException("The transport belongs to no connection yet.");

    internal void Belong(Connection connection) => _connection = connection;

    internal override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellation);
        }
        if (Interlocked.Exchange(ref _reading, 1) != 0)
        {
            throw new InvalidOperationException("A read is pending on this connection. Await it before the next one: one read at a time.");
        }
        return ReadWhenThereAsync(buffer, cancellation);
    }

    private async ValueTask<int> ReadWhenThereAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                Task changed = input.Changed;
                int count = TryRead(buffer.Span);
                if (count >= 0)
                {
                    return count;
                }
                await changed.WaitAsync(cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            Volatile.Write(ref _reading, 0);
        }
    }

    internal override int TryRead(Span<byte> buffer)
    {
        ThrowIfBroken();
        int count = input.TryRead(buffer);
        if (count == 0 && !buffer.IsEmpty)
        {
            _endOfInput = true;
        }
        Interlocked.Add(ref _received, Math.Max(count, 0));
        return count;
    }

    internal override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellation);
        }
        lock (_gate)
        {
            if (_fault is null && _outputClosed)
            {
                throw new InvalidOperationException("The output of this connection was ended by CloseOutputAsync, so nothing more can be written.");
            }
            return new ValueTask(Enqueue(before => WriteAfterAsync(before, buffer, cancellation)));
        }
    }

    /// <summary>Under the gate: the next in the row of writes, whatever becomes of those before it.</summary>
    private Task Enqueue(Func<Task, Task> write)
    {
        Task before = _lastWrite;
        Task task = write(before);
        _lastWrite = before.IsCompleted && task.IsCompleted ? Task.CompletedTask : Task.WhenAll(before, Settled(task));
        return task;
    }

    private static async Task Settled(Task task) => await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private async Task WriteAfterAsync(Task before, ReadOnlyMemory<byte> buffer, CancellationToken cancellation)
    {
        if (!before.IsCompleted)
        {
            await before.WaitAsync(cancellation).ConfigureAwait(false);
        }
        int sent = 0;
        while (true)
        {
            Task changed = output.Changed;
            ThrowIfBroken();
            int count = output.TryWrite(buffer.Span[sent..]);
            if (count < 0)
            {
                throw Broken(ConnectionEndReason.Reset, "The connection was lost: the other end of the pair was closed.");
            }
            sent += count;
            Interlocked.Add(ref _sent, count);
            if (sent == buffer.Length)
            {
                return;
            }
            try
            {
                // As on a socket, a stop does not tear a write that has begun.
                await changed.WaitAsync(sent > 0 && cancellation == Connection.Stopping ? default : cancellation).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (sent > 0)
            {
                Broken(ConnectionEndReason.Aborted, $"A write was cancelled after {sent} of its {buffer.Length} bytes were sent, which ends the connection: a part can't be taken back.");
                throw;
            }
        }
    }

    internal override bool TrySend(ReadOnlySpan<byte> message)
    {
        lock (_gate)
        {
            if (_fault is not null || _outputClosed)
            {
                return false;
            }
            if (_copiedPending + message.Length <= Connection.Limits.PendingSend)
            {
                byte[] copy = message.ToArray();
                _copiedPending += copy.Length;
                _ = Enqueue(before => SendCopyAsync(before, copy));
                return _fault is null;
            }
            if (_copiedPending == 0)
            {
                return false;
            }
        }
        Connection.OnPendingSendFull();
        return false;
    }

    private async Task SendCopyAsync(Task before, byte[] copy)
    {
        try
        {
            await WriteAfterAsync(before, copy, default).ConfigureAwait(false);
        }
        catch (ConnectionEndedException)
        {
            // Nobody awaits a copy; the connection's end tells.
        }
        finally
        {
            Interlocked.Add(ref _copiedPending, -copy.Length);
        }
    }

    internal override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }
        var copy = new byte[buffer.Length];
        int count = ReadAsync(copy, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        copy.AsSpan(0, count).CopyTo(buffer);
        return count;
    }

    internal override void Write(ReadOnlySpan<byte> buffer) =>
        WriteAsync(buffer.ToArray(), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    internal override ValueTask CloseOutputAsync()
    {
        lock (_gate)
        {
            _outputClosed = true;
            return new ValueTask(Enqueue(async before =>
            {
                await before.ConfigureAwait(false);
                ThrowIfBroken();
                output.End();
            }));
        }
    }

    internal override ValueTask FlushAsync()
    {
        lock (_gate)
        {
            return new ValueTask(_lastWrite);
        }
    }

    /// <summary>As shutdown of a socket's input: a waiting read gets the end.</summary>
    internal void EndInput() => input.End();

    internal override void Abort(Exception cause)
    {
        if (Interlocked.CompareExchange(ref _fault, cause, null) is null)
        {
            output.End();
            input.Refuse();
        }
    }

    internal override void Close() =>
        Abort(new ConnectionEndedException(Connection.Reason ?? ConnectionEndReason.HandlerReturned,
            "The call has ended, and its connection with it. Await what you began before the handler returns."));

    private Exception Broken(ConnectionEndReason reason, string message)
    {
        Abort(Connection.Broken(reason, message));
        return _fault!;
    }

    private void ThrowIfBroken()
    {
        if (Volatile.Read(ref _fault) is { } fault)
        {
            throw fault;
        }
    }
}
