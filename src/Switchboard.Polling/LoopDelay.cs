using System.Threading.Tasks.Sources;

namespace Switchboard.Polling;

/// <summary>One wait for a time. It is used again once its task was awaited.</summary>
internal sealed class LoopDelay : IValueTaskSource, ILoopWaiter
{
    private readonly EventLoop _loop;
    private readonly LoopTimer _timer;
    private ManualResetValueTaskSourceCore<bool> _source;
    private TimeSpan _time;
    private CancellationToken _token;
    private CancellationTokenRegistration _registration;
    private bool _wantsContext;
    private bool _isCompleted;

    internal LoopDelay(EventLoop loop)
    {
        _loop = loop;
        _timer = new LoopTimer(loop, static self => ((LoopDelay)self!).Complete(null), this);
    }

    internal LoopDelay? Next { get; set; }

    internal ValueTask Prepare(TimeSpan time, CancellationToken token)
    {
        Next = null;
        _source.Reset();
        _time = time;
        _token = token;
        _isCompleted = false;
        return new ValueTask(this, _source.Version);
    }

    internal void Begin()
    {
        if (_loop.HasEnded)
        {
            Complete(EventLoop.Ended());
            return;
        }
        if (_token.CanBeCanceled)
        {
            _registration = _token.UnsafeRegister(static self =>
                ((LoopDelay)self!)._loop.Post(static inner => ((LoopDelay)inner!).Cancel(), self), this);
        }
        _timer.Arm(_time);
    }

    void ILoopWaiter.OnLoopEnded() => Complete(EventLoop.Ended());

    private void Cancel()
    {
        // It may have been completed and be in use again meanwhile, with another token.
        if (_token.IsCancellationRequested)
        {
            Complete(new OperationCanceledException(_token));
        }
    }

    private void Complete(Exception? exception)
    {
        if (_isCompleted)
        {
            return;
        }
        _isCompleted = true;
        _timer.Disarm();
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

    void IValueTaskSource.GetResult(short token)
    {
        if (_source.GetStatus(token) == ValueTaskSourceStatus.Pending)
        {
            _loop.WaitInline(static self => ((LoopDelay)self!)._isCompleted, this);
        }
        try
        {
            _source.GetResult(token);
        }
        finally
        {
            _loop.Return(this);
        }
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        _wantsContext = CompletionScope.WantsContext(_loop.Context, ref flags);
        _source.RunContinuationsAsynchronously = !_loop.IsCurrent;
        _source.OnCompleted(continuation, state, token, flags);
    }
}
