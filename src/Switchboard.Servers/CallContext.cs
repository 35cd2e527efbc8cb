namespace Switchboard.Servers;

/// <summary>Runs the pieces of one call, or of a connection without one, on the thread pool, one after the other, and brings
/// awaits back into their row.</summary>
internal sealed class CallContext(Call? call, Action<Exception> onUnhandled, CancellationToken stopping = default) : SynchronizationContext
{
    // After so many pieces, or so many bytes and calls, the thread goes to others who wait for one.
    private const int PiecesPerTurn = 64;
    private const int TurnAllowance = 512 * 1024;
    private const int CallCost = 2048;

    [ThreadStatic]
    private static CallContext? _running;

    private readonly Lock _gate = new();
    private readonly Queue<(SendOrPostCallback Callback, object? State)> _pieces = new();
    private Call? _call = call;
    private bool _isRunning;
    private int _allowance;

    /// <summary>Cancelled when the server stops whose call this is.</summary>
    internal CancellationToken Stopping => stopping;

    /// <summary>The context whose piece the calling thread runs, or null.</summary>
    internal static CallContext? OfThisPiece => _running;

    /// <summary>True while the calling thread runs a piece of this context.</summary>
    internal bool IsCurrent => _running == this;

    public override void Post(SendOrPostCallback d, object? state)
    {
        if (Enqueue(d, state))
        {
            Queue();
        }
    }

    /// <summary>Runs a piece after those that wait, and at once if none does: for a thread of the pool that has nothing else
    /// to do.</summary>
    internal void Run(SendOrPostCallback callback, object? state)
    {
        if (!Enqueue(callback, state))
        {
            return;
        }
        if (_running is null)
        {
            Turn();
        }
        else
        {
            Queue();
        }
    }

    public override void Send(SendOrPostCallback d, object? state)
    {
        if (IsCurrent)
        {
            d(state);
            return;
        }
        var work = new Task(() => d(state));
        Post(static task => ((Task)task!).RunSynchronously(), work);
        work.GetAwaiter().GetResult();
    }

    public override SynchronizationContext CreateCopy() => this;

    /// <summary>Counts a call that was done without waiting. False if this turn has done so much that others should have
    /// the thread before it goes on.</summary>
    internal bool Spend(int bytes)
    {
        _allowance -= bytes + CallCost;
        return _allowance > 0;
    }

    /// <summary>True if the caller has to see to it that the pieces run.</summary>
    private bool Enqueue(SendOrPostCallback callback, object? state)
    {
        lock (_gate)
        {
            _pieces.Enqueue((callback, state));
            bool wasRunning = _isRunning;
            _isRunning = true;
            return !wasRunning;
        }
    }

    // Not to the front of this thread's own queue: who waits for a thread of the pool comes first.
    private void Queue() => ThreadPool.UnsafeQueueUserWorkItem(static self => self.Turn(), this, preferLocal: false);

    private void Turn()
    {
        SynchronizationContext? before = Current;
        _running = this;
        Call.Current = _call;
        SetSynchronizationContext(this);
        _allowance = TurnAllowance;
        try
        {
            for (int left = PiecesPerTurn; left > 0 && _allowance > 0; left--)
            {
                (SendOrPostCallback Callback, object? State) piece;
                lock (_gate)
                {
                    if (!_pieces.TryDequeue(out piece))
                    {
                        _isRunning = false;
                        return;
                    }
                }
                Invoke(piece.Callback, piece.State);
            }
        }
        finally
        {
            _running = null;
            Call.Current = null;
            SetSynchronizationContext(before);
        }
        Queue();
    }

    /// <summary>What its handler has left behind runs on, and serves nobody.</summary>
    internal void Ended() => Call.Current = _call = null;

    private void Invoke(SendOrPostCallback callback, object? state)
    {
        try
        {
            callback(state);
        }
        catch (Exception exception)
        {
            onUnhandled(exception);
        }
    }
}
