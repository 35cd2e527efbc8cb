using System.Buffers;
using System.Runtime.CompilerServices;

namespace Switchboard.Servers;

public sealed partial class Connection
{
    private const int ReadSize = 16 * 1024;

    // Bytes received for a framing and not taken yet: [_start, _end) of a rented buffer, which is given back when empty.
    private byte[]? _buffer;
    private int _start;
    private int _filled;
    private int _readingMessage;
    private MessageTooLongException? _tooLong;

    private bool HasBuffered => _filled > _start;

    /// <summary>Reads one message.</summary>
    /// <param name="framing">How messages are cut.</param>
    /// <param name="cancellation">Ends the wait; no byte is lost then.</param>
    /// <returns>The message, valid until the next read on this connection; null when the peer has ended its direction.</returns>
    /// <exception cref="MessageTooLongException">The message exceeds <see cref="ConnectionLimits.Message"/>; the
    /// connection ends with that reason.</exception>
    /// <exception cref="ConnectionEndedException">The connection has ended.</exception>
    /// <exception cref="InvalidDataException">The peer ended in the middle of a message, or the framing found nonsense.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">A read is pending already.</exception>
    public ValueTask<ReadOnlyMemory<byte>?> ReadMessageAsync(Framing framing, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(framing);
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ReadOnlyMemory<byte>?>(cancellation);
        }
        int examined = 0;
        if (HasBuffered && TryTake(framing, ref examined, out ReadOnlyMemory<byte> message))
        {
            return new ValueTask<ReadOnlyMemory<byte>?>(message);
        }
        return WaitForMessageAsync(framing, examined, cancellation);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadOnlyMemory<byte>?> WaitForMessageAsync(Framing framing, int examined, CancellationToken cancellation)
    {
        BeginMessageRead();
        try
        {
            while (true)
            {
                int count;
                if (HasBuffered)
                {
                    MakeRoom();
                    count = await _transport.ReadAsync(_buffer.AsMemory(_filled), cancellation);
                }
                else
                {
                    // No buffer is held while nothing is there.
                    ReturnBuffer();
                    await _transport.ReadAsync(Memory<byte>.Empty, cancellation);
                    _buffer = ArrayPool<byte>.Shared.Rent(ReadSize);
                    count = _transport.TryRead(RoomFor(framing));
                }
                if (count == 0)
                {
                    return TakeRest(framing);
                }
                if (count > 0)
                {
                    _filled += count;
                    if (TryTake(framing, ref examined, out ReadOnlyMemory<byte> message))
                    {
                        return message;
                    }
                }
            }
        }
        finally
        {
            _readingMessage = 0;
        }
    }

    /// <summary>Reads messages until the peer has ended its direction. Each is valid until the next is asked for.</summary>
    /// <param name="framing">How messages are cut.</param>
    /// <param name="cancellation">Ends the wait; no byte is lost then.</param>
    /// <returns>The messages; they fail as <see cref="ReadMessageAsync"/> does.</returns>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadMessagesAsync(Framing framing, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        while (await ReadMessageAsync(framing, cancellation) is { } message)
        {
            yield return message;
        }
    }

    /// <summary>Reads one message, blocking the call's thread. For <see cref="BlockingRequestHandler"/>.</summary>
    /// <param name="framing">How messages are cut.</param>
    /// <returns>The message, valid until the next read; null when the peer has ended its direction or the server stops.</returns>
    /// <exception cref="MessageTooLongException">The message exceeds <see cref="ConnectionLimits.Message"/>.</exception>
    /// <exception cref="ConnectionEndedException">The connection has ended.</exception>
    /// <exception cref="InvalidDataException">The peer ended in the middle of a message, or the framing found nonsense.</exception>
    public ReadOnlyMemory<byte>? ReadMessage(Framing framing)
    {
        ArgumentNullException.ThrowIfNull(framing);
        int examined = 0;
        BeginMessageRead();
        try
        {
            ReadOnlyMemory<byte> message;
            while (!HasBuffered || !TryTake(framing, ref examined, out message))
            {
                if (HasBuffered)
                {
                    MakeRoom();
                }
                else
                {
                    _buffer ??= ArrayPool<byte>.Shared.Rent(ReadSize);
                    _start = _filled = 0;
                }
                int count = _transport.Read(_filled == 0 ? RoomFor(framing) : _buffer.AsSpan(_filled));
                if (count == 0)
                {
                    return TakeRest(framing);
                }
                _filled += count;
            }
            return message;
        }
        finally
        {
            _readingMessage = 0;
        }
    }

    /// <summary>Reads messages until the peer has ended its direction, blocking the call's thread. For
    /// <see cref="BlockingRequestHandler"/>.</summary>
    /// <param name="framing">How messages are cut.</param>
    /// <returns>The messages, each valid until the next is asked for.</returns>
    public IEnumerable<ReadOnlyMemory<byte>> ReadMessages(Framing framing)
    {
        while (ReadMessage(framing) is { } message)
        {
            yield return message;
        }
    }

    private void BeginMessageRead()
    {
        if (Interlocked.Exchange(ref _readingMessage, 1) != 0)
        {
            throw new InvalidOperationException("A read is pending on this connection. Await it before the next one: one read at a time.");
        }
        if (_tooLong is not null)
        {
            _readingMessage = 0;
            throw _tooLong;
        }
    }

    /// <summary>A packet is never longer than a message may be; the rest of it is the next packet.</summary>
    private Span<byte> RoomFor(Framing framing) =>
        framing == Framing.Packet ? _buffer.AsSpan(0, Math.Min(_buffer!.Length, _limits.Message)) : _buffer;

    private bool TryTake(Framing framing, ref int examined, out ReadOnlyMemory<byte> message)
    {
        int length = _filled - _start;
        bool found = framing.TryRead(_buffer.AsSpan(_start, length), examined, out Frame frame, out long announced);
        long content = found ? frame.Length : Math.Max(announced, length - framing.Overhead);
        if (content > _limits.Message)
        {
            _tooLong = new MessageTooLongException(_limits.Message, announced > 0 ? announced : null);
            SetCause(ConnectionEndReason.MessageTooLong, _tooLong);
            throw _tooLong;
        }
        examined = length;
        if (!found)
        {
            message = default;
            return false;
        }
        message = _buffer.AsMemory(_start + frame.Start, frame.Length);
        _start += frame.Consumed;
        return true;
    }

    private ReadOnlyMemory<byte>? TakeRest(Framing framing)
    {
        if (!HasBuffered)
        {
            ReturnBuffer();
            return null;
        }
        int length = _filled - _start;
        if (framing.ReadRest(_buffer.AsSpan(_start, length)) is not { } frame)
        {
            throw new InvalidDataException($"The peer ended in the middle of a message, after {length} bytes of it.");
        }
        ReadOnlyMemory<byte> message = _buffer.AsMemory(_start + frame.Start, frame.Length);
        _start = _filled;
        return message;
    }

    private int TakeBuffered(Span<byte> destination)
    {
        int count = Math.Min(destination.Length, _filled - _start);
        _buffer.AsSpan(_start, count).CopyTo(destination);
        _start += count;
        return count;
    }

    /// <summary>Makes room behind the bytes that are there: moves them to the front, or takes a larger buffer.</summary>
    private void MakeRoom()
    {
        if (_filled < _buffer!.Length)
        {
            return;
        }
        int length = _filled - _start;
        byte[] target = length > _buffer.Length / 2 ? ArrayPool<byte>.Shared.Rent(_buffer.Length * 2) : _buffer;
        Buffer.BlockCopy(_buffer, _start, target, 0, length);
        if (target != _buffer)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = target;
        }
        (_start, _filled) = (0, length);
    }

    private void ReturnBuffer()
    {
        if (_buffer is not null)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = null;
        }
        (_start, _filled) = (0, 0);
    }
}
