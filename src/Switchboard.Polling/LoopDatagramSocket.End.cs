using Switchboard.Linux;

namespace Switchboard.Polling;

// What the socket has with its selector and its descriptor, and their end.
public sealed partial class LoopDatagramSocket
{
    /// <summary>Leaves the loop, closes the descriptor and removes the file of a Unix socket that <see cref="Bind"/> made;
    /// what is pending fails. Called from another thread it does so soon, and does not wait for it.</summary>
    public void Dispose()
    {
        if (_loop.RunsElsewhere)
        {
            _loop.Post(static self => ((LoopDatagramSocket)self!).DisposeNow(), this);
        }
        else
        {
            DisposeNow();
        }
    }

    /// <summary>As <see cref="Dispose"/>, and waits until the descriptor is closed.</summary>
    /// <returns>Completes when it is closed.</returns>
    public ValueTask DisposeAsync()
    {
        if (_loop.RunsElsewhere)
        {
            return new ValueTask(_loop.InvokeAsync(DisposeNow));
        }
        DisposeNow();
        return ValueTask.CompletedTask;
    }

    private void DisposeNow()
    {
        if (_disposed)
        {
            return;
        }
        _disposed = true;
        if (_key is { IsRegistered: true } key)
        {
            _loop.Unregister(key);
        }
        _handle.Dispose();
        RemoveFile();
        Fault(new ObjectDisposedException(nameof(LoopDatagramSocket), "The socket is closed. Await what you began before you dispose it."));
    }

    void ILoopWaiter.OnLoopEnded() => Fault(EventLoop.Ended());

    /// <summary>Fails what is pending and what comes later. The first cause wins.</summary>
    private void Fault(Exception cause)
    {
        Interlocked.CompareExchange(ref _fault, cause, null);
        if (_key is { IsRegistered: true } key)
        {
            _loop.Unregister(key);
        }
        if (_receivePending)
        {
            CompleteReceive(default, _fault);
        }
        FailSends(_fault);
    }

    private void RemoveFile()
    {
        if (_file is not { } file || FileCalls.Identify(file.Path) != file.Identity)
        {
            return;
        }
        try
        {
            File.Delete(file.Path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Who binds to it next removes it.
        }
    }

    private T Hold<T>(Func<int, T> call)
    {
        bool held = false;
        try
        {
            _handle.DangerousAddRef(ref held);
            return call(_descriptor);
        }
        finally
        {
            if (held)
            {
                _handle.DangerousRelease();
            }
        }
    }

    private void Want(Interest interest)
    {
        try
        {
            if (_key is null)
            {
                _key = _loop.Register(_descriptor, interest, this);
            }
            else if ((_key.Interest & interest) != interest)
            {
                _loop.Modify(_key, _key.Interest | interest);
            }
        }
        catch (Exception exception) when (exception is SystemCallException or ArgumentOutOfRangeException)
        {
            Fault(exception);
        }
    }

    private void Unwant(Interest interest)
    {
        if (_key is { IsRegistered: true } key && (key.Interest & interest) != 0)
        {
            try
            {
                _loop.Modify(key, key.Interest & ~interest);
            }
            catch (SystemCallException exception)
            {
                // It is not watched any more. Nobody may be waiting who could be told, and the loop must go on.
                Fault(exception);
            }
        }
    }
}
