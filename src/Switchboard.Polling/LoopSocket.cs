using System.Threading.Tasks.Sources;
using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>
/// A connected stream socket on an <see cref="EventLoop"/>: reads and writes that suspend until the kernel has something,
/// with no allocation in steady state. It owns its descriptor.
/// </summary>
/// <remarks>
/// All members may be called from any thread unless they say otherwise; from the loop's own thread they are direct, from
/// others the work is posted to the loop. One read at a time; writes go out whole, in the order of the calls. An await
/// that began on the loop comes back to it. Source of the behaviour: <c>recv(2)</c>, <c>send(2)</c>, <c>shutdown(2)</c>.
/// </remarks>
public sealed partial class LoopSocket : IReadyHandler, IValueTaskSource<int>, IDisposable
{
    private readonly EventLoop _loop;
    private readonly DescriptorHandle _handle;
    private readonly ILoopSocketOwner _owner;
    private readonly int _descriptor;
    private readonly CancellationToken _stopToken;
    private readonly TimeSpan _idleLimit;
    private FirstByteTime _firstByte;
    private SelectorKey? _key;
    private Exception? _fault;
    private Exception? _abortCause;
    private bool _disposed;

    /// <summary>Takes a connected socket.</summary>
    /// <param name="loop">The loop that it belongs to from now on.</param>
    /// <param name="handle">The socket, blocking or not; disposed with this object.</param>
    /// <param name="owner">Names the exceptions of limits and errors, and gives the limits.</param>
    public LoopSocket(EventLoop loop, DescriptorHandle handle, ILoopSocketOwner owner)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentNullException.ThrowIfNull(handle);
        ArgumentNullException.ThrowIfNull(owner);
        _loop = loop;
        _handle = handle;
        _owner = owner;
        _descriptor = handle.Number;
        _stopToken = owner.StopToken;
        _idleLimit = owner.IdleLimit;
        _firstByte.Begin(owner.FirstByteLimit, received: 0);
        _limitsReads = _idleLimit != Timeout.InfiniteTimeSpan || _firstByte.Limit != Timeout.InfiniteTimeSpan;
    }

    /// <summary>The loop that it belongs to.</summary>
    public EventLoop Loop => _loop;

    /// <summary>Who names its exceptions and gives its limits.</summary>
    public ILoopSocketOwner Owner => _owner;

    /// <summary>True for a TCP socket. The loop is then told of changes only (EPOLLET), where it can be: that spares the
    /// kernel a second look at each socket, and keeps the callers in their order. It takes the promise, which only TCP
    /// gives, that a read of fewer bytes than asked for has emptied the socket (<c>epoll(7)</c>).</summary>
    public bool IsTcp { get; init; }

    /// <summary>The socket's descriptor; valid until this object is disposed.</summary>
    public DescriptorHandle Handle => _handle;

    /// <summary>Bytes received so far.</summary>
    public long Received { get; private set; }

    /// <summary>Bytes handed to the kernel so far.</summary>
    public long Sent { get; private set; }

    /// <summary>True once the peer has ended its direction.</summary>
    public bool EndOfInput { get; private set; }

    void IReadyHandler.OnReady(Readiness ready)
    {
        if ((ready & ~Readiness.Writable) != 0)
        {
            if (Edges)
            {
                _mayRead = true;
                _isPromised = true;
                // An end, an error or urgent data: a short read does not mean that nothing is left.
                _readsToTheEnd |= (ready & ~(Readiness.Readable | Readiness.Writable)) != 0;
                ReceiveIfAwaited();
            }
            else if (_readPending)
            {
                Receive();
            }
            else
            {
                // Nobody reads: stop watching, or a level-triggered selector would report it without end.
                Unwant(Interest.Read);
            }
        }
        if ((ready & (Readiness.Writable | Readiness.Error | Readiness.HangUp)) != 0 && _key is { IsRegistered: true })
        {
            OnWritable();
        }
    }

    /// <summary>False if the selector refused, which ends the socket.</summary>
    private bool Want(Interest interest)
    {
        try
        {
            if (_key is null)
            {
                bool edges = IsTcp && _loop.SupportsTriggers;
                _key = _loop.Register(_descriptor, edges ? interest | Interest.Priority : interest, this, edges ? Trigger.Edge : Trigger.Level);
            }
            else if ((_key.Interest & interest) != interest)
            {
                _loop.Modify(_key, _key.Interest | interest);
            }
            return true;
        }
        catch (SystemCallException exception)
        {
            Fault(_owner.OnError(exception));
        }
        catch (ArgumentOutOfRangeException exception)
        {
            Fault(exception);
        }
        return false;
    }

    private void Unwant(Interest interest)
    {
        if (_key is { IsRegistered: true } key && (key.Interest & interest) != 0)
        {
            Watch(key, key.Interest & ~interest);
        }
    }

    private void Watch(SelectorKey key, Interest interest)
    {
        try
        {
            _loop.Modify(key, interest);
        }
        catch (SystemCallException exception)
        {
            // It is not watched any more. Nobody may be waiting who could be told, and the loop must go on.
            Fault(_owner.OnError(exception));
        }
    }
}
