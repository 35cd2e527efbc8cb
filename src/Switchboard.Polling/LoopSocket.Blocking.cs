using Switchboard.Linux;

namespace Switchboard.Polling;

public sealed partial class LoopSocket
{
    private bool _limitsSet;
    private bool _blocksForFirst;

    /// <summary>Reads what is there, blocking the loop's thread until there is something: at a plain blocking socket's
    /// cost. Loop's thread only; the descriptor must be in blocking mode.</summary>
    /// <param name="buffer">Where the bytes go.</param>
    /// <returns>The count, 0 at the end of input.</returns>
    /// <exception cref="InvalidOperationException">The loop carries other connections too, another thread calls, or an
    /// asynchronous read is pending.</exception>
    public int Read(Span<byte> buffer)
    {
        BeginBlocking();
        if (_readPending)
        {
            throw new InvalidOperationException("A read is pending on this connection. Await it before the next one: one read at a time.");
        }
        if (EndOfInput || buffer.IsEmpty)
        {
            return 0;
        }
        if (_blocksForFirst || Received == 0)
        {
            LimitBlockingRead(ref _blocksForFirst);
        }
        CallResult result = SocketCalls.Receive(_descriptor, buffer);
        if (result.Succeeded)
        {
            if (result.Value == 0 && EndIsAbort())
            {
                throw _fault!;
            }
            Received += result.Value;
            EndOfInput = result.Value == 0;
            return result.Value;
        }
        throw BlockingFailure(result, "recv", static self => self.EndOfReadTime(self._blocksForFirst));
    }

    /// <summary>Sends all of a buffer, blocking the loop's thread until the kernel has it. Loop's thread only; the
    /// descriptor must be in blocking mode.</summary>
    /// <param name="buffer">The bytes.</param>
    /// <exception cref="InvalidOperationException">The loop carries other connections too, or another thread calls.</exception>
    public void Write(ReadOnlySpan<byte> buffer)
    {
        BeginBlocking();
        ThrowIfOutputClosed();
        if (HasWrites)
        {
            _loop.WaitInline(static self => !((LoopSocket)self!).HasWrites, this);
        }
        _peerProgress = default;
        while (!buffer.IsEmpty)
        {
            CallResult result = SocketCalls.Send(_descriptor, buffer);
            if (!result.Succeeded)
            {
                if (result.WouldBlock && _peerProgress.HasTaken(_descriptor))
                {
                    continue;
                }
                throw BlockingFailure(result, "send", static self => self._owner.OnWriteStalled(self._owner.WriteStallLimit));
            }
            Sent += result.Value;
            buffer = buffer[result.Value..];
            if (!buffer.IsEmpty)
            {
                // It has waited for the limit.
                _peerProgress.Begin(_descriptor);
            }
        }
    }

    private void BeginBlocking()
    {
        if (!_loop.IsCurrent || !_loop.WaitsInline)
        {
            throw new InvalidOperationException("A blocking read or write holds up its thread, so it may be made only on the connection's own thread, and only where each connection has one. Use ReadAsync and WriteAsync, or choose Concurrency.Threads.");
        }
        if (_fault is not null)
        {
            throw _fault;
        }
        if (!_limitsSet)
        {
            _limitsSet = true;
            SocketCalls.SetReceiveTimeout(_descriptor, _owner.IdleLimit).OrThrow("setsockopt", "SO_RCVTIMEO");
            SocketCalls.SetSendTimeout(_descriptor, _owner.WriteStallLimit).OrThrow("setsockopt", "SO_SNDTIMEO");
        }
    }

    private Exception BlockingFailure(CallResult result, string call, Func<LoopSocket, Exception> onTimeout)
    {
        Fault(result.WouldBlock ? onTimeout(this) : _owner.OnError(SystemCallException.For(call, result.Errno)));
        return _fault!;
    }
}
