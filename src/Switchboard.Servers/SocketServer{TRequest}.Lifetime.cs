using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

// Binding, starting, pausing and stopping: what happens to the server, where the other file has what happens to a request.
public abstract partial class SocketServer<TRequest> : IReadyHandler
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan _unwind = TimeSpan.FromSeconds(2);

    private readonly EventLoop _loop;
    private readonly Lock _stateGate = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _othersEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Thread? _thread;
    private SelectorKey? _key;
    private LoopTimer? _pauseTimer;
    private LoopTimer? _serviceTimer;
    private FileIdentity? _socketFile;
    private bool _isActive;
    private bool _isPaused;
    private bool _pauseLogged;
    private long _pauses;
    private int _wanted;
    private volatile bool _isStopping;
    private Exception? _failure;
    private OneRequest? _oneRequest;

    /// <inheritdoc/>
    public sealed override CancellationToken Stopping => _stopping.Token;

    /// <inheritdoc/>
    public sealed override Task Completion => _completion.Task;

    private protected bool IsStopping => _isStopping;

    private protected long Accepted => Interlocked.Read(ref _accepted);

    private protected long Pauses => Interlocked.Read(ref _pauses);

    private protected int OpenCalls
    {
        get
        {
            lock (_calls)
            {
                return _calls.Count;
            }
        }
    }

    /// <summary>Makes the socket.</summary>
    private protected abstract DescriptorHandle Open();

    /// <summary>Lets callers in.</summary>
    private protected abstract void Listen(DescriptorHandle handle);

    private protected DescriptorHandle? SocketHandle { get; private set; }

    /// <inheritdoc/>
    public sealed override void Bind()
    {
        lock (_stateGate)
        {
            ThrowIfStopped();
            if (SocketHandle is null)
            {
                SocketHandle = Open();
                LocalEndPoint = SocketCalls.LocalAddress(SocketHandle.Number).ToEndPoint();
                _socketFile = BoundSocket.FileOf(LocalEndPoint) is { } path ? FileCalls.Identify(path) : null;
            }
        }
    }

    /// <inheritdoc/>
    public sealed override void Activate()
    {
        lock (_stateGate)
        {
            Bind();
            if (!_isActive)
            {
                Listen(SocketHandle!);
                _isActive = true;
            }
        }
    }

    /// <inheritdoc/>
    public sealed override Task StartAsync(CancellationToken cancellation = default)
    {
        if (cancellation.IsCancellationRequested)
        {
            return Task.FromCanceled(cancellation);
        }
        try
        {
            lock (_stateGate)
            {
                Activate();
                if (_wanted == int.MaxValue)
                {
                    return Task.CompletedTask;
                }
                _wanted = int.MaxValue;
                StartThread();
            }
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException or UnauthorizedAccessException)
        {
            return Task.FromException(exception);
        }
        Log.Listening(Logger, Name, ServerAddress.Describe(LocalEndPoint!), Concurrency);
        _loop.Post(static self => ((SocketServer<TRequest>)self!).BeginServing(), this);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public sealed override Task<bool> HandleRequestAsync(CancellationToken cancellation = default)
    {
        var one = new OneRequest();
        lock (_stateGate)
        {
            Activate();
            if (_wanted != 0)
            {
                throw new InvalidOperationException("The server serves already: one request at a time by HandleRequestAsync, or all by StartAsync or ServeForeverAsync.");
            }
            _wanted = 1;
            _oneRequest = one;
            StartThread();
        }
        _loop.Post(_ =>
        {
            if (Options.RequestTimeout is { } timeout && timeout >= TimeSpan.Zero)
            {
                one.Timer = new LoopTimer(_loop, _ => EndOne(one, TimedOut), null);
                one.Timer.Arm(timeout);
            }
            one.Registration = cancellation.UnsafeRegister(_ => _loop.Post(_ => EndOne(one, () => one.Source.TrySetCanceled(cancellation)), null), null);
            BeginServing();
        }, null);
        return one.Source.Task;

        void TimedOut()
        {
            try
            {
                OnTimeout();
                one.Source.TrySetResult(false);
            }
            catch (Exception exception)
            {
                one.Source.TrySetException(exception);
            }
        }
    }

    /// <summary>A request was handed over; on the server's loop.</summary>
    private void Took()
    {
        if (_oneRequest is { } one)
        {
            EndOne(one, () => { });
            // Under Sequential the model is busy until the request has been served.
            if (_model.HasRoom || _model is not SequentialModel)
            {
                one.Source.TrySetResult(true);
            }
            else
            {
                _servedOne = one;
            }
        }
    }

    private OneRequest? _servedOne;

    private void EndOne(OneRequest one, Action end)
    {
        if (_oneRequest != one)
        {
            return;
        }
        _oneRequest = null;
        _wanted = 0;
        Watch(false);
        one.Timer?.Disarm();
        one.Registration.Unregister();
        end();
    }

    private void StartThread()
    {
        if (_thread is null)
        {
            _thread = new Thread(RunLoop) { Name = $"{Name} accept", IsBackground = true };
            _thread.Start();
        }
    }

    private void RunLoop()
    {
        _loop.Run();
        // A call that ended at the very moment of the stop may have stopped the loop before this was done.
        StopOnLoop();
        SocketHandle?.Dispose();
        _loop.Dispose();
        if (_failure is { } failure)
        {
            _completion.TrySetException(failure);
        }
        else
        {
            _completion.TrySetResult();
        }
    }

    private void BeginServing()
    {
        if (_isStopping)
        {
            return;
        }
        Watch(true);
        if (Options.PollInterval is { } interval && _serviceTimer is null)
        {
            _serviceTimer = new LoopTimer(_loop, _ =>
            {
                _serviceTimer!.Arm(interval);
                ServiceActions();
            }, null);
            _serviceTimer.Arm(interval);
        }
        TakeRequests();
    }

    void IReadyHandler.OnReady(Readiness ready)
    {
        try
        {
            TakeRequests();
        }
        catch (Exception exception)
        {
            Fail(exception);
        }
    }

    /// <summary>Watches the socket, or leaves callers in the backlog; on the server's loop.</summary>
    private void Watch(bool watch)
    {
        if (SocketHandle is not { IsClosed: false } handle)
        {
            return;
        }
        Interest interest = watch ? Interest.Read : Interest.None;
        if (_key is null)
        {
            _key = _loop.Register(handle.Number, interest, this);
        }
        else if (_key.Interest != interest)
        {
            _loop.Modify(_key, interest);
        }
    }

    /// <summary>A full model has room again, or a pause is over; on the server's loop.</summary>
    private void Resume()
    {
        if (_servedOne is { } one)
        {
            _servedOne = null;
            one.Source.TrySetResult(true);
        }
        if (!_isStopping && !_isPaused && _wanted > 0)
        {
            Watch(true);
            // Without a free descriptor accept does not say whether anybody waits, so after a pause it is asked anew.
            if (_held is not null || _pauseLogged)
            {
                TakeRequests();
            }
        }
    }

    private TRequest? TryGetRequest()
    {
        while (true)
        {
            try
            {
                TRequest? request = GetRequest();
                if (request is null && _pauseLogged)
                {
                    // All who waited are in. A server at its limit takes one for each that leaves, which is no news.
                    _pauseLogged = false;
                    Log.Accepting(Logger, Name);
                }
                return request;
            }
            catch (SystemCallException exception)
            {
                switch (AcceptErrors.PolicyFor(exception.Errno))
                {
                    case AcceptPolicy.Retry:
                        Log.CallerLost(Logger, Name, exception.Message);
                        continue;
                    case AcceptPolicy.Pause:
                        Pause(exception);
                        return null;
                    case AcceptPolicy.Gone when _isStopping:
                        return null;
                    case AcceptPolicy.Gone:
                        Log.ListenerGone(Logger, Name, exception.Message);
                        _ = StopAsync(null);
                        return null;
                    default:
                        Fail(exception);
                        return null;
                }
            }
        }
    }

    private void Pause(SystemCallException cause)
    {
        Interlocked.Increment(ref _pauses);
        if (!_pauseLogged)
        {
            _pauseLogged = true;
            Log.Paused(Logger, Name, cause.Message);
        }
        _isPaused = true;
        Watch(false);
        _pauseTimer ??= new LoopTimer(_loop, _ => EndPause(), null);
        _pauseTimer.Arm(_pause);
    }

    private void EndPause()
    {
        if (_isPaused)
        {
            _isPaused = false;
            _pauseTimer!.Disarm();
            Resume();
        }
    }

    private void Fail(Exception exception)
    {
        Log.Failed(Logger, Name, exception);
        _failure ??= exception;
        _ = StopAsync(null);
    }

    private void Forget(ServedCall call)
    {
        lock (_calls)
        {
            _calls.Remove(call);
            if (_isStopping)
            {
                CheckEnded();
            }
        }
        if (_isPaused)
        {
            // A descriptor is free again.
            _loop.Post(static self => ((SocketServer<TRequest>)self!).EndPause(), this);
        }
    }

    /// <summary>Under the gate of the calls.</summary>
    private void CheckEnded()
    {
        if (_calls.All(static call => call.AwaitsStop))
        {
            _othersEnded.TrySetResult();
        }
        if (_calls.Count == 0)
        {
            _loop.Stop();
        }
    }

    /// <inheritdoc/>
    public sealed override Task StopAsync(TimeSpan? grace)
    {
        TimeSpan time = grace ?? Options.Grace;
        // The call's own thread asks: it must not wait for itself.
        bool fromHandler = Call.Current is ServedCall own && own.Server == this;
        lock (_calls)
        {
            if (fromHandler)
            {
                ((ServedCall)Call.Current!).AwaitsStop = true;
                if (_isStopping)
                {
                    CheckEnded();
                }
            }
        }
        BeginStop();
        return DrainAsync(time, fromHandler);
    }

    private void BeginStop()
    {
        lock (_stateGate)
        {
            if (_isStopping)
            {
                return;
            }
            _isStopping = true;
            if (_thread is null)
            {
                CloseListener();
                SocketHandle?.Dispose();
                _loop.Dispose();
                _othersEnded.TrySetResult();
                _completion.TrySetResult();
                _stopping.Cancel();
                _model.Close();
                return;
            }
        }
        Log.Stopping(Logger, Name, OpenCalls);
        _loop.Post(static self => ((SocketServer<TRequest>)self!).StopOnLoop(), this);
        try
        {
            _stopping.Cancel();
        }
        catch (AggregateException exception)
        {
            OnUnhandled(exception);
        }
        foreach (TRequest request in Served)
        {
            TellStop(request);
        }
        _model.Close();
    }

    private void StopOnLoop()
    {
        CloseListener();
        _pauseTimer?.Disarm();
        _serviceTimer?.Disarm();
        if (Interlocked.Exchange(ref _held, null) is { } held)
        {
            Discard(held, ConnectionEndReason.Stopped);
        }
        if (_oneRequest is { } one)
        {
            EndOne(one, () => one.Source.TrySetException(new InvalidOperationException("The server was stopped before a request came.")));
        }
        lock (_calls)
        {
            if (!_model.JoinsOnClose && _model is not SequentialModel)
            {
                _othersEnded.TrySetResult();
                _loop.Stop();
            }
            CheckEnded();
        }
    }

    private void CloseListener()
    {
        if (_key is { IsRegistered: true } key)
        {
            _loop.Unregister(key);
        }
        if (SocketHandle is not { IsClosed: false } handle)
        {
            return;
        }
        // Before the socket: once nobody answers, another server may put its own file there.
        if (_socketFile is { } mine && BoundSocket.FileOf(LocalEndPoint) is { } path && FileCalls.Identify(path) == mine)
        {
            _socketFile = null;
            try
            {
                File.Delete(path);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                Log.FileLeft(Logger, Name, exception.Message);
            }
        }
        CloseSocket(handle);
    }

    /// <summary>Closes the server's socket; a datagram server keeps it until its calls have ended.</summary>
    private protected virtual void CloseSocket(DescriptorHandle handle) => handle.Dispose();

    private async Task DrainAsync(TimeSpan grace, bool fromHandler)
    {
        Task ended = fromHandler ? _othersEnded.Task : _completion.Task;
        if (await EndsWithinAsync(ended, grace).ConfigureAwait(false))
        {
            await ended.ConfigureAwait(false);
            return;
        }
        TRequest[] left = Served;
        Log.Cut(Logger, Name, left.Length, grace);
        foreach (TRequest request in left)
        {
            Cut(request);
        }
        if (!await EndsWithinAsync(ended, _unwind).ConfigureAwait(false))
        {
            // .NET can't end a thread: these go on in the background, without their connection.
            Log.StillRunning(Logger, Name, OpenCalls);
            _othersEnded.TrySetResult();
            _loop.Stop();
            if (_model is SequentialModel)
            {
                // The handler that does not end holds the server's own thread.
                SocketHandle?.Dispose();
                _completion.TrySetResult();
            }
        }
        await ended.ConfigureAwait(false);
    }

    private static async Task<bool> EndsWithinAsync(Task task, TimeSpan time)
    {
        if (task.IsCompleted)
        {
            return true;
        }
        using var timer = new CancellationTokenSource();
        Task first = await Task.WhenAny(task, Task.Delay(time, timer.Token)).ConfigureAwait(false);
        await timer.CancelAsync().ConfigureAwait(false);
        return first == task;
    }

    private void ThrowIfStopped()
    {
        if (_isStopping)
        {
            throw new InvalidOperationException($"{Name} was stopped. Make a new server to serve again.");
        }
    }

    /// <summary>A wait for one request.</summary>
    private sealed class OneRequest
    {
        internal TaskCompletionSource<bool> Source { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal LoopTimer? Timer { get; set; }

        internal CancellationTokenRegistration Registration { get; set; }
    }
}
