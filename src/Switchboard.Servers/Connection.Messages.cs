using System.Buffers;

namespace Switchboard.Servers;

public sealed partial class Connection
{
    private const int ReadSize = 32 * 1024;

    // Bytes received for a framing and not taken yet: [_start, _end) of a rented buffer, which is given back when empty.
    private byte[]? _buffer;
    private int _start;
    private int _filled;
    private int _readingMessage;
    private MessageTooLongException? _tooLong;
    private MessageRead? _messageRead;

    private bool HasBuffered => _filled > _start;

    /// <summary>Reads one message.</summary>
    /// <param name="framing">How messages are cut.</param>
    /// <param name="cancellation">Ends the wait; no byte is lost then.</param>
    /// <returns>The message, valid until the next read on this connection or the end of the call; null when the peer has ended its direction.</returns>
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
        ThrowIfReading();
        int examined = 0;
        try
        {
            if (TryTake(framing, ref examined, out ReadOnlyMemory<byte> message))
            {
                return new ValueTask<ReadOnlyMemory<byte>?>(message);
            }
            BeginMessageRead();
        }
        catch (IOException exception)
        {
            return ValueTask.FromException<ReadOnlyMemory<byte>?>(exception);
        }
        return (_messageRead ??= new MessageRead(this)).Start(framing, examined, cancellation);
    }

    /// <summary>Reads messages until the peer has ended its direction. Each is valid until the next is asked for.</summary>
    /// <param name="framing">How messages are cut.</param>
    /// <param name="cancellation">Ends the wait; no byte is lost then.</param>
    /// <returns>The messages; they fail as <see cref="ReadMessageAsync"/> does.</returns>
    public IAsyncEnumerable<ReadOnlyMemory<byte>> ReadMessagesAsync(Framing framing, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(framing);
        return new MessageSequence(this, framing, cancellation);
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
            while (!TryTake(framing, ref examined, out message))
            {
                if (HasBuffered)
                {
                    MakeRoom();
                }
                else
                {
                    TakeEmptyBuffer();
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
            _readingMessage = HasEnded ? 1 : 0;
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

    private void ThrowIfReading()
    {
        if (Volatile.Read(ref _readingMessage) != 0 && !HasEnded)
        {
            throw TwoReads();
        }
    }

    private void BeginMessageRead()
    {
        if (Interlocked.Exchange(ref _readingMessage, 1) != 0 && !HasEnded)
        {
            throw TwoReads();
        }
    }

    private static InvalidOperationException TwoReads() =>
        new("A read is pending on this connection. Await it before the next one: one read at a time.");

    /// <summary>A packet is never longer than a message may be; the rest of it is the next packet.</summary>
    private Span<byte> RoomFor(Framing framing) =>
        framing == Framing.Packet ? _buffer.AsSpan(0, Math.Min(_buffer!.Length, _limits.Message)) : _buffer;

    /// <summary>Takes a message from the bytes that are there.</summary>
    private bool TryTake(Framing framing, ref int examined, out ReadOnlyMemory<byte> message)
    {
        message = default;
        if (_tooLong is not null)
        {
            throw _tooLong;
        }
        int length = _filled - _start;
        if (length == 0)
        {
            return false;
        }
        ReadOnlySpan<byte> received = _buffer.AsSpan(_start, framing == Framing.Packet ? Math.Min(length, _limits.Message) : length);
        bool found = framing.TryRead(received, examined, out Frame frame, out long announced);
        ThrowIfTooLong(framing, found ? frame.Length : Math.Max(announced, length - framing.Overhead), announced);
        examined = length;
        if (found)
        {
            message = Take(framing, frame, length);
        }
        return found;
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
        ThrowIfTooLong(framing, frame.Length, 0);
        return Take(framing, frame with { Consumed = length }, length);
    }

    private ReadOnlyMemory<byte> Take(Framing framing, Frame frame, int length)
    {
        if (frame.Start < 0 || frame.Length < 0 || frame.Consumed < 1 || frame.Consumed > length || frame.Start > length - frame.Length)
        {
            throw new InvalidOperationException($"{framing.GetType().Name} found {frame} in {length} bytes. A frame must lie within them and consume 1 byte at least.");
        }
        ReadOnlyMemory<byte> message = _buffer.AsMemory(_start + frame.Start, frame.Length);
        _start += frame.Consumed;
        return message;
    }

    private void ThrowIfTooLong(Framing framing, long content, long announced)
    {
        if (content > _limits.Message)
        {
            if (framing.MessageSize is { } size)
            {
                // Not the peer's fault: no message could ever be taken.
                throw new InvalidOperationException($"Framing.FixedSize({size}) cuts messages that are longer than ConnectionLimits.Message, which is {_limits.Message}. Raise the limit to {size} at least, or read in smaller pieces.");
            }
            _tooLong = new MessageTooLongException(_limits.Message, announced > 0 ? announced : null);
            SetCause(ConnectionEndReason.MessageTooLong, _tooLong);
            throw _tooLong;
        }
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
