using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

// Binding, starting and serving: what happens to the server. SocketServer{TRequest}.cs has what happens to a request.
public abstract partial class SocketServer<TRequest>
{
    private readonly Lock _stateGate = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private LoopMonitor? _monitor;
    private LoopTimer? _serviceTimer;
    private FileIdentity? _socketFile;
    private bool _isActive;
    private bool _hasThreads;
    private int _loopsLeft;
    private int _acceptingLeft;
    private int _wanted;
    private volatile bool _isStopping;
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
    private protected abstract SafeHandle Open(out EndPoint? local);

    /// <summary>Lets callers in.</summary>
    private protected abstract void Listen();

    private protected SafeHandle? SocketHandle { get; private set; }

    /// <summary>Why the server can't serve a single request; null if it can.</summary>
    private protected virtual string? WhyNotOneRequest => null;

    /// <inheritdoc/>
    public sealed override void Bind()
    {
        lock (_stateGate)
        {
            ThrowIfStopped();
            if (SocketHandle is null)
            {
                SocketHandle = Open(out EndPoint? local);
                LocalEndPoint = local;
                // The file of a socket that was passed belongs to whoever made it.
                _socketFile = Address.Descriptor is null && BoundSocket.FileOf(LocalEndPoint) is { } path ? FileCalls.Identify(path) : null;
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
                Listen();
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
                StartThreads();
            }
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException or UnauthorizedAccessException)
        {
            return Task.FromException(exception);
        }
        Log.Listening(Logger, Name, ServerAddress.Describe(LocalEndPoint!), Concurrency);
        foreach (Acceptor acceptor in _acceptors)
        {
            acceptor.Loop.Post(_ => BeginServing(acceptor), null);
        }
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public sealed override Task<bool> HandleRequestAsync(CancellationToken cancellation = default)
    {
        if (WhyNotOneRequest is { } why)
        {
            throw new InvalidOperationException(why);
        }
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
            StartThreads();
        }
        EventLoop loop = _acceptors[0].Loop;
        loop.Post(_ =>
        {
            if (Options.RequestTimeout is { } timeout && timeout >= TimeSpan.Zero)
            {
                one.Timer = new LoopTimer(loop, _ => EndOne(one, TimedOut), null);
                one.Timer.Arm(timeout);
            }
            one.Registration = cancellation.UnsafeRegister(_ => loop.Post(_ => EndOne(one, () => one.Source.TrySetCanceled(cancellation)), null), null);
            BeginServing(_acceptors[0]);
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

    /// <summary>A request was handed over; on the loop that accepted it.</summary>
    private void Took()
    {
        if (_oneRequest is { } one)
        {
            EndOne(one, () => { });
            if (_model.ServesOneAtATime && !_model.HasRoom)
            {
                _servedOne = one;
            }
            else
            {
                one.Source.TrySetResult(true);
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
        _acceptors[0].Watch(false);
        one.Timer?.Disarm();
        one.Registration.Unregister();
        end();
    }

    /// <inheritdoc/>
    internal sealed override void JoinGroup(SharedLoops? loops)
    {
        lock (_stateGate)
        {
            if (_isStopping || _isInGroup || SocketHandle is not null)
            {
                throw new InvalidOperationException($"{Name} {(_isStopping ? "was stopped" : _isInGroup ? "belongs to a group" : "is bound")} already. Give a group servers that are new.");
            }
            _isInGroup = true;
            if (loops is null)
            {
                return;
            }
            foreach (EventLoop own in _model.Loops)
            {
                own.Dispose();
            }
            _sharedLoops = loops;
            _model = new EventLoopModel(loops.Group);
            _acceptors = AcceptorsOf(_model);
            loops.Join(this);
        }
    }

    private void StartThreads()
    {
        if (_hasThreads)
        {
            return;
        }
        _hasThreads = true;
        BeginTelemetry();
        _loopsLeft = _acceptingLeft = _acceptors.Length;
        _sharedLoops?.Start(this);
        for (int i = 0; i < _acceptors.Length && _sharedLoops is null; i++)
        {
            Acceptor acceptor = _acceptors[i];
            string name = _acceptors.Length > 1 ? $"{Name} loop {i + 1}" : _model.RunsOnLoops ? $"{Name} loop" : $"{Name} accept";
            new Thread(() => RunLoop(acceptor)) { Name = name, IsBackground = true }.Start();
        }
        if (_model.SharesLoops && Options.BlockedLoop != Timeout.InfiniteTimeSpan)
        {
            _monitor = new LoopMonitor(_model.Loops, Options.BlockedLoop, TellBlocked);
        }
    }

    private void RunLoop(Acceptor acceptor)
    {
        ServingThread.Stopping = Stopping;
        // Calls are not the children of what started the server.
        Activity.Current = null;
        try
        {
            acceptor.Loop.Run();
        }
        catch (Exception exception)
        {
            // The loop can't wait any more; its calls were told. The process must live on.
            Fail(exception);
        }
        // A call that ended at the very moment of the stop may have stopped the loop before this was done.
        StopAccepting(acceptor);
        acceptor.Loop.Dispose();
        if (Interlocked.Decrement(ref _loopsLeft) == 0)
        {
            Ended();
        }
    }

    /// <summary>The work of a loop that several servers share is told by the one that it belongs to.</summary>
    private void TellBlocked(object work, TimeSpan time)
    {
        if (_sharedLoops is null || (OwnerOf(work) ?? (work as Acceptor)?.Server ?? _sharedLoops.First) == this)
        {
            Log.LoopBlocked(Logger, Name, DescribeWork(work), time);
        }
    }

    void ILoopMember.OnLoopFailed(Exception exception) => Fail(exception);

    /// <summary>The loops have ended, or go on without this server.</summary>
    private void Ended()
    {
        _monitor?.Dispose();
        SocketHandle?.Dispose();
        if (_failure is { } failure)
        {
            _completion.TrySetException(failure);
        }
        else
        {
            _completion.TrySetResult();
        }
    }

    private void BeginServing(Acceptor acceptor)
    {
        if (_isStopping)
        {
            return;
        }
        acceptor.Watch(true);
        if (acceptor == _acceptors[0] && Options.PollInterval is { } interval && _serviceTimer is null)
        {
            _serviceTimer = new LoopTimer(acceptor.Loop, _ =>
            {
                _serviceTimer!.Arm(interval);
                ServiceActions();
            }, null);
            _serviceTimer.Arm(interval);
        }
        TakeRequests(acceptor);
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
