using System.Buffers;
using System.Diagnostics;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Polling;

public sealed partial class LoopSocket
{
    private static readonly SendOrPostCallback _enqueue = static state => ((WriteOperation)state!).Socket.Enqueue((WriteOperation)state);

    private Queue<WriteOperation>? _writes;
    private WriteOperation? _spareWrite;
    private LoopTimer? _stallTimer;
    private long _writeProgress;
    private PeerProgress _peerProgress;
    private int _copiedPending;
    private volatile bool _outputClosed;

    /// <summary>Sends all of a buffer, which must stay as it is until the task completes.</summary>
    /// <param name="buffer">The bytes.</param>
    /// <param name="cancellation">Before the first byte is out it takes the write back; after that it ends the socket,
    /// because a part can't be taken back. The owner's stop token lets a write that has begun go on.</param>
    /// <returns>Completes when the kernel has taken the last byte.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">CloseOutputAsync was called before.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation = default)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellation);
        }
        if (_fault is null)
        {
            ThrowIfOutputClosed();
        }
        int sent = 0;
        if (_loop.IsCurrent)
        {
            if (_fault is not null)
            {
                return ValueTask.FromException(_fault);
            }
            if (!HasWrites && SendNow(buffer.Span, ref sent))
            {
                return _fault is not null ? ValueTask.FromException(_fault)
                    : _loop.Spend(sent) ? ValueTask.CompletedTask : NextTurn();
            }
        }
        WriteOperation write = RentWrite();
        write.Prepare(WriteKind.Borrowed, buffer, sent, null, cancellation);
        return Begin(write);
    }

    /// <summary>Lets the others of the loop have their turn although the kernel takes all that this one writes.</summary>
    private ValueTask NextTurn()
    {
        WriteOperation write = RentWrite();
        write.Prepare(WriteKind.Borrowed, default, 0, null, default);
        var task = new ValueTask(write, write.Version);
        _loop.Post(_enqueue, write);
        return task;
    }

    // Most connections never have to wait with a write.
    private bool HasWrites => _writes is { Count: > 0 };

    /// <summary>Copies a message and sends it when the peer takes it. Never waits.</summary>
    /// <param name="message">The bytes; all of them are sent, or none.</param>
    /// <returns>False if the copies that wait would exceed the owner's limit, or the socket has ended.</returns>
    public bool TrySend(ReadOnlySpan<byte> message)
    {
        if (_fault is not null || _outputClosed)
        {
            return false;
        }
        int pending = Interlocked.Add(ref _copiedPending, message.Length);
        if (pending > _owner.PendingSendLimit)
        {
            Interlocked.Add(ref _copiedPending, -message.Length);
            if (pending > message.Length)
            {
                _owner.OnPendingSendFull();
            }
            return false;
        }
        int sent = 0;
        if (_loop.IsCurrent && !HasWrites && SendNow(message, ref sent))
        {
            Interlocked.Add(ref _copiedPending, -message.Length);
            return _fault is null;
        }
        byte[] copy = ArrayPool<byte>.Shared.Rent(message.Length);
        message.CopyTo(copy);
        var write = new WriteOperation(this);
        write.Prepare(WriteKind.Copied, copy.AsMemory(0, message.Length), sent, copy, default);
        Start(write);
        return true;
    }

    /// <summary>Ends our direction once all that was written before is out; the peer reads the end of input.</summary>
    /// <returns>Completes when that is done.</returns>
    public ValueTask CloseOutputAsync()
    {
        _outputClosed = true;
        return BeginMarker(WriteKind.CloseOutput);
    }

    /// <summary>Waits until all that was written or copied before is out.</summary>
    /// <returns>Completes when the kernel has it.</returns>
    public ValueTask FlushAsync() => BeginMarker(WriteKind.Flush);

    private ValueTask BeginMarker(WriteKind kind)
    {
        if (_loop.IsCurrent && !HasWrites)
        {
            if (kind == WriteKind.CloseOutput)
            {
                if (_fault is not null)
                {
                    return ValueTask.FromException(_fault);
                }
                SocketCalls.Shutdown(_descriptor, SocketShutdown.Send);
            }
            return ValueTask.CompletedTask;
        }
        var write = new WriteOperation(this);
        write.Prepare(kind, default, 0, null, default);
        return Begin(write);
    }

    private void ThrowIfOutputClosed()
    {
        if (_outputClosed)
        {
            throw new InvalidOperationException("The output of this connection was ended by CloseOutputAsync, so nothing more can be written.");
        }
    }

    /// <summary>True if there is nothing left to do: all is sent, or the socket has failed.</summary>
    private bool SendNow(ReadOnlySpan<byte> bytes, ref int sent)
    {
        while (sent < bytes.Length)
        {
            CallResult result = SocketCalls.Send(_descriptor, bytes[sent..], SocketCallFlags.DontWait);
            if (result.Succeeded)
            {
                sent += result.Value;
                Sent += result.Value;
            }
            else if (result.WouldBlock)
            {
                return false;
            }
            else
            {
                Fault(_owner.OnError(SystemCallException.For("send", result.Errno)));
                return true;
            }
        }
        return true;
    }

    private ValueTask Begin(WriteOperation write)
    {
        var task = new ValueTask(write, write.Version);
        Start(write);
        return task;
    }

    private void Start(WriteOperation write)
    {
        if (_loop.IsCurrent)
        {
            Enqueue(write);
        }
        else
        {
            _loop.Post(_enqueue, write);
        }
    }

    private void Enqueue(WriteOperation write)
    {
        if (_fault is null && _loop.HasEnded)
        {
            LeaveEndedLoop();
        }
        if (_fault is not null)
        {
            write.Complete(_fault);
            return;
        }
        write.Register();
        _writes ??= new Queue<WriteOperation>();
        _writes.Enqueue(write);
        if (_writes.Count == 1)
        {
            _writeProgress = Stopwatch.GetTimestamp();
            OnWritable();
        }
    }

    private void OnWritable()
    {
        while (_writes is not null && _writes.TryPeek(out WriteOperation? write))
        {
            int before = write.SentCount;
            int sent = before;
            bool done = write.IsWithdrawn || SendNow(write.Buffer.Span, ref sent);
            if (_fault is not null)
            {
                return;
            }
            write.SentCount = sent;
            if (sent > before)
            {
                _writeProgress = Stopwatch.GetTimestamp();
            }
            if (!done)
            {
                if (sent == before && Edges && (_key!.Interest & Interest.Write) != 0)
                {
                    // There was said to be room: the kernel is made to look again.
                    Watch(_key, _key.Interest);
                }
                if (_fault is null && Want(Interest.Write))
                {
                    WatchStall();
                }
                return;
            }
            if (write.Kind == WriteKind.CloseOutput)
            {
                SocketCalls.Shutdown(_descriptor, SocketShutdown.Send);
            }
            _writes.Dequeue();
            write.Complete(null);
        }
        Unwant(Interest.Write);
        _stallTimer?.Disarm();
    }

    private void WatchStall()
    {
        TimeSpan limit = _owner.WriteStallLimit;
        if (limit == Timeout.InfiniteTimeSpan)
        {
            return;
        }
        _stallTimer ??= new LoopTimer(_loop, static self => ((LoopSocket)self!).CheckStall(), this);
        if (!_stallTimer.IsArmed)
        {
            _peerProgress.Begin(_descriptor);
            _stallTimer.Arm(limit);
        }
    }

    private void CheckStall()
    {
        TimeSpan limit = _owner.WriteStallLimit;
        if (_peerProgress.HasTaken(_descriptor) || Stopwatch.GetElapsedTime(_writeProgress) < limit)
        {
            _stallTimer!.Arm(limit);
        }
        else
        {
            Fault(_owner.OnWriteStalled(limit));
        }
    }

    private void FailWrites(Exception cause)
    {
        _stallTimer?.Disarm();
        while (_writes is not null && _writes.TryDequeue(out WriteOperation? write))
        {
            write.Complete(cause);
        }
    }

    private WriteOperation RentWrite() => Interlocked.Exchange(ref _spareWrite, null) ?? new WriteOperation(this);
}
