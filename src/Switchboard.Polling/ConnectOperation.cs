using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>One attempt to connect, which gives the descriptor. All but <see cref="Start"/> belongs to the loop's thread.</summary>
internal sealed class ConnectOperation(EventLoop loop, EndPoint address, ConnectSettings settings, CancellationToken cancellation) : IReadyHandler, ILoopWaiter
{
    private static readonly TimeSpan _shortestPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan _longestPause = TimeSpan.FromMilliseconds(32);

    private readonly TaskCompletionSource<DescriptorHandle> _source = new(loop.IsCurrent ? TaskCreationOptions.None : TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenRegistration _registration;
    private DescriptorHandle? _handle;
    private SelectorKey? _key;
    private LoopTimer? _retry;
    private TimeSpan _pause = _shortestPause;
    private bool _isCompleted;

    internal Task<DescriptorHandle> Start()
    {
        if (loop.IsCurrent)
        {
            Begin();
        }
        else
        {
            loop.Post(static self => ((ConnectOperation)self!).Begin(), this);
        }
        return _source.Task;
    }

    private void Begin()
    {
        try
        {
            loop.ThrowIfEnded();
            _handle = SocketCalls.Create(address.AddressFamily, SocketType.Stream, nonBlocking: true);
            if (address.AddressFamily != AddressFamily.Unix)
            {
                SocketCalls.SetOption(_handle.Number, SocketCallOption.NoDelay, settings.NoDelay ? 1 : 0).OrThrow("setsockopt", "TCP_NODELAY");
                settings.Probing?.Set(_handle.Number);
            }
            if (settings.From is { } from)
            {
                SocketCalls.Bind(_handle.Number, from);
            }
            if (cancellation.CanBeCanceled)
            {
                _registration = cancellation.UnsafeRegister(static self =>
                    ((ConnectOperation)self!).PostCancel(), this);
            }
            Connect();
        }
        catch (Exception exception)
        {
            Complete(exception);
        }
    }

    private void Connect()
    {
        CallResult result = SocketCalls.Connect(_handle!.Number, address);
        switch (result.Errno)
        {
            case Errno.None:
                Complete(null);
                break;
            case Errno.InProgress or Errno.Interrupted:
                _key = loop.Register(_handle.Number, Interest.Write, this);
                break;
            case Errno.Again when address.AddressFamily == AddressFamily.Unix:
                // The listener's backlog is full, and the kernel does not tell when it has room.
                _retry ??= new LoopTimer(loop, static self => ((ConnectOperation)self!).Retry(), this);
                _retry.Arm(_pause);
                _pause = _pause < _longestPause ? _pause * 2 : _pause;
                break;
            default:
                Complete(SystemCallException.For("connect", result.Errno, address.ToString()));
                break;
        }
    }

    private void Retry()
    {
        try
        {
            Connect();
        }
        catch (Exception exception)
        {
            Complete(exception);
        }
    }

    public void OnReady(Readiness ready)
    {
        Errno error = SocketCalls.TakeError(_handle!.Number);
        Complete(error == Errno.None ? null : SystemCallException.For("connect", error, address.ToString()));
    }

    void ILoopWaiter.OnLoopEnded() => Complete(EventLoop.Ended());

    private void PostCancel() => loop.Post(static state =>
    {
        var self = (ConnectOperation)state!;
        self.Complete(new OperationCanceledException(self.Token));
    }, this);

    private CancellationToken Token => cancellation;

    private void Complete(Exception? exception)
    {
        if (_isCompleted)
        {
            return;
        }
        _isCompleted = true;
        _registration.Unregister();
        _retry?.Disarm();
        if (_key is { IsRegistered: true } key)
        {
            loop.Unregister(key);
        }
        if (exception is null)
        {
            if (loop.WaitsInline)
            {
                // Blocking reads and writes go by the descriptor's mode; all others pass a flag.
                DescriptorCalls.SetNonBlocking(_handle!.Number, nonBlocking: false);
            }
            _source.TrySetResult(_handle!);
            return;
        }
        _handle?.Dispose();
        if (exception is OperationCanceledException cancelled && cancelled.CancellationToken.IsCancellationRequested)
        {
            _source.TrySetCanceled(cancelled.CancellationToken);
        }
        else
        {
            _source.TrySetException(exception);
        }
    }
}

/// <summary>How a socket is made that connects.</summary>
/// <param name="NoDelay">TCP_NODELAY.</param>
/// <param name="Probing">What is set for a peer that vanishes; null for nothing.</param>
/// <param name="From">Its own address; null for one that the kernel chooses.</param>
internal sealed record ConnectSettings(bool NoDelay = true, PeerProbing? Probing = null, EndPoint? From = null)
{
    internal static ConnectSettings Default { get; } = new();
}
