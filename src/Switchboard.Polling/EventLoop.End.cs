namespace Switchboard.Polling;

// What a handler left running awaits on, though its loop has ended: it must neither hang nor run two pieces at once.
public sealed partial class EventLoop
{
    private bool _hasEnded;
    private bool _draining;

    /// <summary>Runs what was posted up to here; what comes later goes to the thread pool.</summary>
    private void End()
    {
        int left;
        lock (_gate)
        {
            if (_hasEnded)
            {
                return;
            }
            _hasEnded = true;
            _draining = true;
        }
        EndWaiters();
        lock (_gate)
        {
            left = _posted.Count;
        }
        while (left-- > 0 && RunNext())
        {
        }
        lock (_gate)
        {
            _draining = false;
            if (_posted.Count > 0)
            {
                DrainOnPool();
            }
        }
    }

    /// <summary>Leaves all that is posted to the thread pool.</summary>
    private void EndAfterFailure()
    {
        lock (_gate)
        {
            _hasEnded = true;
            _draining = true;
        }
        EndWaiters();
        lock (_gate)
        {
            _draining = false;
            if (_posted.Count > 0)
            {
                DrainOnPool();
            }
        }
    }

    private void DrainOnPool()
    {
        _draining = true;
        ThreadPool.UnsafeQueueUserWorkItem(static self => self.RunOnPool(), this, preferLocal: false);
    }

    private void RunOnPool()
    {
        SynchronizationContext.SetSynchronizationContext(Context);
        try
        {
            while (RunNext())
            {
            }
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(null);
        }
    }

    private bool RunNext()
    {
        (SendOrPostCallback Callback, object? State) piece;
        lock (_gate)
        {
            if (!_posted.TryDequeue(out piece))
            {
                _draining = false;
                return false;
            }
        }
        Invoke(piece.Callback, piece.State);
        return true;
    }
}
