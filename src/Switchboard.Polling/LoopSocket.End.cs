using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Polling;

// The ways in which a socket ends: aborted, failed, shut down, closed.
public sealed partial class LoopSocket
{
    /// <summary>Ends the socket for good: what is pending and what comes later fails with <paramref name="cause"/>, unless
    /// an earlier cause is there. Works on a dead peer; drops what is unsent.</summary>
    /// <param name="cause">Why.</param>
    public void Abort(Exception cause)
    {
        ArgumentNullException.ThrowIfNull(cause);
        if (_loop.IsCurrent)
        {
            Fault(cause);
            return;
        }
        // The loop may be in a blocking call, which this wakes; it finds the cause then.
        Interlocked.CompareExchange(ref _abortCause, cause, null);
        ShutdownNow(SocketShutdown.Both);
        _loop.Post(static state =>
        {
            (LoopSocket self, Exception cause) = ((LoopSocket, Exception))state!;
            self.Fault(cause);
        }, (this, cause));
    }

    private void Fault(Exception cause)
    {
        if (_fault is not null)
        {
            return;
        }
        // The first cause wins: mark, then fail every waiter with it.
        _fault = Volatile.Read(ref _abortCause) ?? cause;
        ShutdownNow(SocketShutdown.Both);
        Unwant(Interest.Read | Interest.Write | Interest.Priority);
        FailPending();
    }

    private void FailPending()
    {
        if (_readPending)
        {
            CompleteRead(0, _fault);
        }
        FailWrites(_fault!);
    }

    /// <summary>True if the end of input is that of an abort from another thread, not the peer's.</summary>
    private bool EndIsAbort()
    {
        if (Volatile.Read(ref _abortCause) is not { } cause)
        {
            return false;
        }
        Fault(cause);
        return true;
    }

    /// <summary>Ends one or both directions without closing the descriptor, which wakes whoever waits in a call on it.
    /// Any thread may call it, also while the loop is blocked by a handler.</summary>
    /// <param name="how">Which direction.</param>
    public void ShutdownNow(SocketShutdown how)
    {
        bool added = false;
        try
        {
            _handle.DangerousAddRef(ref added);
            SocketCalls.Shutdown(_descriptor, how);
        }
        catch (ObjectDisposedException)
        {
            // It was closed meanwhile, which ends both directions too.
        }
        finally
        {
            if (added)
            {
                _handle.DangerousRelease();
            }
        }
    }

    /// <summary>Leaves the loop and closes the descriptor; what is pending fails. Called from another thread it does so
    /// soon, and does not wait for it.</summary>
    public void Dispose()
    {
        if (_loop.RunsElsewhere)
        {
            _loop.Post(static self => ((LoopSocket)self!).DisposeNow(), this);
        }
        else
        {
            DisposeNow();
        }
    }

    private void DisposeNow()
    {
        if (_disposed)
        {
            return;
        }
        _disposed = true;
        _idleTimer?.Disarm();
        _stallTimer?.Disarm();
        if (_key is { IsRegistered: true } key)
        {
            _loop.UnregisterClosing(key);
        }
        _fault ??= _owner.OnClosed();
        _handle.Dispose();
        FailPending();
    }
}
