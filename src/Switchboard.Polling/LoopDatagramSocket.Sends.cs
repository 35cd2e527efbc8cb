using System.Net;
using System.Threading.Tasks.Sources;
using Switchboard.Linux;

namespace Switchboard.Polling;

public sealed partial class LoopDatagramSocket
{
    private static readonly TimeSpan _shortestPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan _longestPause = TimeSpan.FromMilliseconds(32);

    // What waits for room, in the order of the calls; the count includes those that are on their way to the loop.
    private readonly List<SendOperation> _sends = [];
    private readonly List<NativeAddress> _full = [];
    private int _sendsWaiting;
    private SendOperation? _spareSend;
    private LoopTimer? _retry;
    private TimeSpan _pause = _shortestPause;

    /// <summary>Sends one datagram, waiting while the kernel has no room for it. Each call allocates for the address; the
    /// other form does not.</summary>
    /// <param name="data">The datagram, which must stay as it is until the task completes.</param>
    /// <param name="receiver">Whom to.</param>
    /// <param name="cancellation">Ends the wait; the datagram is not sent then.</param>
    /// <returns>Completes when the kernel has it. UDP promises no more than that.</returns>
    /// <exception cref="SystemCallException">The kernel refused: too long (EMSGSIZE), no such socket (ENOENT,
    /// ECONNREFUSED), no way there (ENETUNREACH). The socket stays usable.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled, or the loop has ended.</exception>
    public ValueTask SendToAsync(ReadOnlyMemory<byte> data, EndPoint receiver, CancellationToken cancellation = default) =>
        Send(data, NativeAddress.From(receiver), isAddressed: true, cancellation);

    /// <inheritdoc cref="SendToAsync(ReadOnlyMemory{byte}, EndPoint, CancellationToken)"/>
    /// <summary>Sends one datagram, waiting while the kernel has no room for it. Allocates nothing in steady state.</summary>
    public ValueTask SendToAsync(ReadOnlyMemory<byte> data, in NativeAddress receiver, CancellationToken cancellation = default) =>
        Send(data, receiver, isAddressed: true, cancellation);

    /// <inheritdoc cref="SendToAsync(ReadOnlyMemory{byte}, EndPoint, CancellationToken)"/>
    /// <summary>Sends one datagram to the peer that the socket is connected to, waiting while the kernel has no room for
    /// it.</summary>
    public ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation = default) =>
        Send(data, default, isAddressed: false, cancellation);

    private ValueTask Send(ReadOnlyMemory<byte> data, in NativeAddress receiver, bool isAddressed, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellation);
        }
        if (Volatile.Read(ref _fault) is { } fault)
        {
            return ValueTask.FromException(fault);
        }
        bool onLoop = _loop.IsCurrent;
        bool isSent = false;
        if (Volatile.Read(ref _sendsWaiting) == 0)
        {
            // The kernel takes datagrams from any thread, whole.
            CallResult result = onLoop ? SendNow(data.Span, receiver, isAddressed) : SendHeld(data.Span, receiver, isAddressed);
            if (result.Succeeded)
            {
                if (!onLoop || _loop.Spend(data.Length))
                {
                    return ValueTask.CompletedTask;
                }
                // The others of the loop have their turn although the kernel takes all that this one sends.
                isSent = true;
            }
            else if (!result.WouldBlock)
            {
                return ValueTask.FromException(Failure(result.Errno, receiver, isAddressed));
            }
        }
        SendOperation send = Interlocked.Exchange(ref _spareSend, null) ?? new SendOperation(this);
        send.Prepare(data, receiver, isAddressed, cancellation);
        var task = new ValueTask(send, send.Version);
        Interlocked.Increment(ref _sendsWaiting);
        if (isSent)
        {
            _loop.Post(static state => ((SendOperation)state!).Complete(null), send);
        }
        else if (onLoop)
        {
            Enqueue(send);
        }
        else
        {
            _loop.Post(static state => ((SendOperation)state!).Socket.Enqueue((SendOperation)state), send);
        }
        return task;
    }

    private CallResult SendNow(ReadOnlySpan<byte> data, in NativeAddress receiver, bool isAddressed) => isAddressed
        ? SocketCalls.SendTo(_descriptor, data, receiver, SocketCallFlags.DontWait)
        : SocketCalls.Send(_descriptor, data, SocketCallFlags.DontWait);

    private CallResult SendHeld(ReadOnlySpan<byte> data, in NativeAddress receiver, bool isAddressed)
    {
        bool held = false;
        try
        {
            _handle.DangerousAddRef(ref held);
            return SendNow(data, receiver, isAddressed);
        }
        catch (ObjectDisposedException)
        {
            // The loop is just closing it, and answers what is given to it now.
            return CallResult.Failure(Errno.Again);
        }
        finally
        {
            if (held)
            {
                _handle.DangerousRelease();
            }
        }
    }

    private static SystemCallException Failure(Errno errno, in NativeAddress receiver, bool isAddressed) =>
        isAddressed ? SystemCallException.For("sendto", errno, receiver.ToString()) : SystemCallException.For("send", errno);

    private void Enqueue(SendOperation send)
    {
        if (_fault is null && _loop.HasEnded)
        {
            Fault(EventLoop.Ended());
        }
        if (_fault is not null)
        {
            send.Complete(_fault);
            return;
        }
        send.Register();
        _sends.Add(send);
        SendWaiting();
    }

    /// <summary>Sends what has room, each receiver's in the order of the calls, and sees to it that the rest is tried again.</summary>
    private void SendWaiting()
    {
        SendOperation? done = null;
        SendOperation? last = null;
        bool isBlocked = false;
        _full.Clear();
        for (int i = 0; i < _sends.Count;)
        {
            SendOperation send = _sends[i];
            if (send.Token.IsCancellationRequested)
            {
                send.Outcome = new OperationCanceledException(send.Token);
            }
            else if (isBlocked || _full.Contains(send.Receiver))
            {
                i++;
                continue;
            }
            else
            {
                CallResult result = SendNow(send.Data.Span, send.Receiver, send.IsAddressed);
                if (result.WouldBlock && _isUnix && send.IsAddressed)
                {
                    // The queue of this receiver is full, which says nothing of the others.
                    _full.Add(send.Receiver);
                    continue;
                }
                if (result.WouldBlock)
                {
                    isBlocked = true;
                    continue;
                }
                send.Outcome = result.Succeeded ? null : Failure(result.Errno, send.Receiver, send.IsAddressed);
            }
            _sends.RemoveAt(i);
            (last is null ? ref done : ref last.Next) = send;
            last = send;
        }
        WatchRoom(hasSent: done is not null);
        // Who awaits them may send the next, so this comes last.
        while (done is { } send)
        {
            done = send.Next;
            send.Next = null;
            send.Complete(send.Outcome);
        }
    }

    private void WatchRoom(bool hasSent)
    {
        if (_full.Count > 0)
        {
            // The kernel tells of a full receiver's room only to sockets that are connected to it, and calls this one
            // writable all the time.
            Unwant(Interest.Write);
            _pause = hasSent ? _shortestPause : _pause;
            _retry ??= new LoopTimer(_loop, static self => ((LoopDatagramSocket)self!).SendWaiting(), this);
            _retry.Arm(_pause);
            _pause = _pause < _longestPause ? _pause * 2 : _pause;
            return;
        }
        _retry?.Disarm();
        _pause = _shortestPause;
        if (_sends.Count > 0)
        {
            Want(Interest.Write);
        }
        else
        {
            Unwant(Interest.Write);
        }
    }

    private void FailSends(Exception cause)
    {
        _retry?.Disarm();
        SendOperation[] sends = [.. _sends];
        _sends.Clear();
        foreach (SendOperation send in sends)
        {
            send.Complete(cause);
        }
    }

    /// <summary>A send that waits for room. Its task may be awaited once.</summary>
    private sealed class SendOperation(LoopDatagramSocket socket) : IValueTaskSource
    {
        internal SendOperation? Next;
        private ManualResetValueTaskSourceCore<bool> _source;
        private NativeAddress _receiver;
        private CancellationToken _token;
        private CancellationTokenRegistration _registration;
        private bool _wantsContext;
        private bool _completed;

        internal LoopDatagramSocket Socket => socket;

        internal ReadOnlyMemory<byte> Data { get; private set; }

        internal ref readonly NativeAddress Receiver => ref _receiver;

        internal bool IsAddressed { get; private set; }

        /// <summary>What became of it, while it is on its way to who awaits it.</summary>
        internal Exception? Outcome { get; set; }

        internal CancellationToken Token => _token;

        internal short Version => _source.Version;

        internal void Prepare(ReadOnlyMemory<byte> data, in NativeAddress receiver, bool isAddressed, CancellationToken token)
        {
            _source.Reset();
            _completed = false;
            Data = data;
            _receiver = receiver;
            IsAddressed = isAddressed;
            _token = token;
        }

        internal void Register()
        {
            if (_token.CanBeCanceled)
            {
                _registration = _token.UnsafeRegister(static self =>
                    ((SendOperation)self!).Socket._loop.Post(static inner => ((SendOperation)inner!).Cancel(), self), this);
            }
        }

        internal void Complete(Exception? exception)
        {
            if (_completed)
            {
                return;
            }
            _completed = true;
            Outcome = null;
            Interlocked.Decrement(ref socket._sendsWaiting);
            if (_token.CanBeCanceled)
            {
                _registration.Unregister();
            }
            CompletionScope scope = CompletionScope.Enter(_wantsContext);
            if (exception is null)
            {
                _source.SetResult(true);
            }
            else
            {
                _source.SetException(exception);
            }
            scope.Leave();
        }

        private void Cancel()
        {
            if (socket._fault is null)
            {
                socket.SendWaiting();
            }
        }

        public void GetResult(short token)
        {
            if (_source.GetStatus(token) == ValueTaskSourceStatus.Pending)
            {
                socket._loop.WaitInline(static self => ((SendOperation)self!)._completed, this);
            }
            try
            {
                _source.GetResult(token);
            }
            finally
            {
                Data = default;
                socket._spareSend = this;
            }
        }

        public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        {
            _wantsContext = CompletionScope.WantsContext(socket._loop.Context, ref flags);
            _source.RunContinuationsAsynchronously = !socket._loop.IsCurrent;
            _source.OnCompleted(continuation, state, token, flags);
        }
    }
}
