using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;

namespace Switchboard.Servers;

/// <summary>A connection's bytes in memory: what one end writes, the other reads.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "A semaphore whose wait handle is never asked for holds nothing.")]
internal sealed class MemoryTransport(PipeReader input, PipeWriter output) : Transport
{
    private readonly SemaphoreSlim _writing = new(1, 1);
    private Exception? _fault;
    private long _received;
    private long _sent;
    private bool _endOfInput;

    internal override EndPoint? LocalEndPoint => null;

    internal override EndPoint? RemoteEndPoint => null;

    internal override long Received => Interlocked.Read(ref _received);

    internal override long Sent => Interlocked.Read(ref _sent);

    internal override bool EndOfInput => _endOfInput;

    internal override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        ThrowIfBroken();
        ReadResult result;
        try
        {
            result = await input.ReadAsync(cancellation);
        }
        catch (Exception exception) when (_fault is not null && exception is not OperationCanceledException)
        {
            throw _fault;
        }
        if (result.IsCanceled)
        {
            input.AdvanceTo(result.Buffer.Start);
            ThrowIfBroken();
        }
        return Take(result, buffer.Span);
    }

    internal override int TryRead(Span<byte> buffer)
    {
        ThrowIfBroken();
        return input.TryRead(out ReadResult result) ? Take(result, buffer) : -1;
    }

    private int Take(ReadResult result, Span<byte> destination)
    {
        ReadOnlySequence<byte> taken = result.Buffer.Slice(0, Math.Min(result.Buffer.Length, destination.Length));
        taken.CopyTo(destination);
        input.AdvanceTo(taken.End);
        _endOfInput = result.IsCompleted && result.Buffer.IsEmpty;
        Interlocked.Add(ref _received, taken.Length);
        return (int)taken.Length;
    }

    internal override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation)
    {
        await _writing.WaitAsync(cancellation);
        try
        {
            ThrowIfBroken();
            FlushResult result = await output.WriteAsync(buffer, CancellationToken.None);
            if (result.IsCompleted)
            {
                throw new ConnectionEndedException(ConnectionEndReason.PeerClosed, "The other end of the pair was closed.");
            }
            Interlocked.Add(ref _sent, buffer.Length);
        }
        finally
        {
            _writing.Release();
        }
    }

    internal override bool TrySend(ReadOnlySpan<byte> message)
    {
        if (_fault is not null || !_writing.Wait(0))
        {
            return false;
        }
        try
        {
            output.Write(message);
            output.FlushAsync().AsTask().GetAwaiter().GetResult();
            Interlocked.Add(ref _sent, message.Length);
            return true;
        }
        finally
        {
            _writing.Release();
        }
    }

    internal override int Read(Span<byte> buffer)
    {
        var copy = new byte[buffer.Length];
        int count = ReadAsync(copy, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        copy.AsSpan(0, count).CopyTo(buffer);
        return count;
    }

    internal override void Write(ReadOnlySpan<byte> buffer) =>
        WriteAsync(buffer.ToArray(), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    internal override ValueTask CloseOutputAsync() => output.CompleteAsync();

    internal override ValueTask FlushAsync() => ValueTask.CompletedTask;

    internal override void Abort(Exception cause)
    {
        Interlocked.CompareExchange(ref _fault, cause, null);
        input.CancelPendingRead();
        output.CancelPendingFlush();
    }

    internal override void Close()
    {
        output.Complete();
        input.Complete();
    }

    private void ThrowIfBroken()
    {
        if (_fault is not null)
        {
            throw _fault;
        }
    }
}
