using Microsoft.Extensions.Logging;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>
/// The walk of a request, one overridable step a method, in this order: (1) <see cref="GetRequest"/>, (2)
/// <see cref="Verify"/>, (3) <see cref="Process"/>, which gives it to the concurrency model; there, on the call's own
/// thread or loop, (4) <see cref="FinishAsync"/>, which makes the handler and runs it, (5)
/// <see cref="ShutdownRequestAsync"/>, (6) <see cref="CloseRequest"/>. What fails goes to <see cref="OnError"/>.
/// </summary>
/// <typeparam name="TRequest"><see cref="Connection"/>, <see cref="Datagram"/> or <see cref="DatagramSession"/>.</typeparam>
public abstract partial class SocketServer<TRequest> : SocketServer, ILoopMember
    where TRequest : class
{
    private const int AcceptsPerTurn = 64;
    private const int LargestReserve = 16;

    private CallModel _model;
    private Acceptor[] _acceptors;
    private SharedLoops? _sharedLoops;
    private bool _isInGroup;
    private readonly HashSet<ServedCall> _calls = [];
    private readonly int _descriptorLimit;
    private readonly int _reserve;
    private readonly AcceptRate? _rate;
    private long _accepted;

    private protected SocketServer(ServerAddress address, Concurrency concurrency, ServerOptions? options, string kind)
        : base(address, options, kind)
    {
        ArgumentNullException.ThrowIfNull(concurrency);
        Concurrency = concurrency;
        _model = concurrency.Create(new ModelSettings(Name, () => _acceptors![0].Loop.Post(static self => ((SocketServer<TRequest>)self!).OnRoom(), this), OnUnhandled, IsStream: typeof(TRequest) == typeof(Connection), Stopping));
        _acceptors = AcceptorsOf(_model);
        foreach (EventLoop loop in _model.Loops)
        {
            loop.UnhandledException += OnUnhandled;
        }
        // Without system calls of ours the limit is known where the system tells it in a file.
        _descriptorLimit = _model.UsesBaseSockets ? KernelLimits.MaxDescriptors() ?? int.MaxValue : ProcessCalls.DescriptorLimit();
        _reserve = Math.Min(LargestReserve, _descriptorLimit / 8);
        _rate = AcceptRate.Of(Options.Callers);
    }

    /// <inheritdoc/>
    public sealed override Concurrency Concurrency { get; }

    /// <summary>(1) Takes the next request without waiting. Several event loops call it at the same time.</summary>
    /// <returns>The request, or null if none is there now.</returns>
    /// <exception cref="SystemCallException">The error decides what follows, by <see cref="AcceptErrors.Table"/>.</exception>
    protected abstract TRequest? GetRequest();

    /// <summary>(2) Whether to serve a request: override to turn callers away by their address, for example. On the
    /// thread that accepts, so it must be quick; several event loops call it at the same time.</summary>
    /// <param name="request">The request.</param>
    /// <returns>False to close it unserved. Always true unless overridden.</returns>
    protected virtual bool Verify(TRequest request) => true;

    /// <summary>(3) Gives a request to the concurrency model. Override to see or count requests; call the base.</summary>
    /// <param name="request">The request.</param>
    protected virtual void Process(TRequest request)
    {
        var call = new ServedCall(this, request);
        lock (_calls)
        {
            _calls.Add(call);
        }
        try
        {
            _model.Start(call);
        }
        catch
        {
            Forget(call);
            throw;
        }
    }

    /// <summary>(4) Makes the handler and runs it: setup, handle, finish. On the call's own thread or loop.</summary>
    /// <param name="request">The request.</param>
    /// <param name="stop">Cancelled when the server stops.</param>
    /// <returns>Completes when the request is served.</returns>
    protected abstract Task FinishAsync(TRequest request, CancellationToken stop);

    /// <summary>(5) Ends a request in good order: what was written goes out, the peer reads the end; then closes it.</summary>
    /// <param name="request">The request.</param>
    /// <returns>Completes when it is closed.</returns>
    protected virtual ValueTask ShutdownRequestAsync(TRequest request)
    {
        CloseRequest(request);
        return ValueTask.CompletedTask;
    }

    /// <summary>(6) Frees what a request holds.</summary>
    /// <param name="request">The request.</param>
    protected virtual void CloseRequest(TRequest request)
    {
    }

    /// <summary>Called with what a handler or a step threw; the others are served on. Logs it unless overridden.</summary>
    /// <param name="request">The request that it concerns.</param>
    /// <param name="exception">What was thrown.</param>
    protected virtual void OnError(TRequest request, Exception exception) => LogFailure(request, exception);

    /// <summary>Called when <see cref="SocketServer.HandleRequestAsync"/> has waited in vain. Does nothing unless overridden.</summary>
    protected virtual void OnTimeout()
    {
    }

    /// <summary>Called on the server's thread every <see cref="ServerOptions.PollInterval"/> while it serves. Does nothing
    /// unless overridden.</summary>
    protected virtual void ServiceActions()
    {
    }

    /// <summary>The descriptor that a request brought, or -1.</summary>
    private protected virtual int DescriptorOf(TRequest request) => -1;

    /// <summary>Names what holds a loop up. Any thread.</summary>
    private protected abstract string DescribeWork(object work);

    /// <summary>The server of what holds a loop up, if that is known. Any thread.</summary>
    private protected virtual ILoopMember? OwnerOf(object work) => null;

    /// <summary>Gives a request the loop that it is served on, if it has one, before <see cref="FinishAsync"/>.</summary>
    private protected abstract void Attach(TRequest request, EventLoop? loop);

    /// <summary>Marks how a request ended, before it is shut down.</summary>
    private protected abstract void Mark(TRequest request, ConnectionEndReason reason, Exception? exception);

    /// <summary>True if an end of the request is marked already.</summary>
    private protected abstract bool HasEndedItself(TRequest request);

    /// <summary>Tells a request that the server stops: reads with the stop token end. Any thread.</summary>
    private protected abstract void TellStop(TRequest request);

    /// <summary>Ends a request that is still served after the grace time. Any thread.</summary>
    private protected abstract void Cut(TRequest request);

    /// <summary>Closes a request that gets no handler.</summary>
    private protected abstract void Discard(TRequest request, ConnectionEndReason reason);

    /// <summary>The requests that are being served.</summary>
    private protected TRequest[] Served
    {
        get
        {
            lock (_calls)
            {
                return [.. _calls.Select(call => call.Request)];
            }
        }
    }

    /// <summary>Steps 1 to 3 for those who wait; on the acceptor's loop. A bounded number a turn.</summary>
    private void TakeRequests(Acceptor at)
    {
        for (int left = Math.Min(AcceptsPerTurn, _wanted); left > 0 && !IsStopping && !at.IsPaused; left--)
        {
            bool hasRoom = _model.HasRoom;
            if (!hasRoom && (_model.WhenFull == WhenFull.Wait || _model.IsMakingRoom))
            {
                // Callers wait in the backlog: the listener is not watched until a call ends.
                at.Watch(false);
                return;
            }
            bool hasPlace = at.Held is not null || TryEnter();
            if (!hasPlace && Options.Callers.WhenFull == WhenFull.Wait)
            {
                at.Watch(false);
                if (IsNews(nameof(CallerLimits.Connections)))
                {
                    Log.AtLimit(Logger, Name, $"CallerLimits.Connections is {Options.Callers.Connections}, so the next callers wait in the backlog; raise it if this machine has room for more");
                }
                if (AwaitPlace())
                {
                    return;
                }
                at.Watch(true);
                continue;
            }
            if (at.Held is null && _rate is not null && !_rate.TryTake(out TimeSpan wait))
            {
                if (hasPlace)
                {
                    Leave();
                }
                at.WaitForTurn(wait);
                return;
            }
            bool isHeld = at.Held is not null;
            TRequest? request = at.Held ?? at.TryGetRequest();
            if (request is null)
            {
                _rate?.GiveBack();
                if (hasPlace)
                {
                    Leave();
                }
                return;
            }
            // Asked in any case: it counts the request, so that its end gives the place back.
            string? refusal = isHeld ? null : Refusal(request, hasPlace);
            refusal ??= hasRoom ? null : $"{Concurrency} is at its limit";
            at.Held = null;
            if (refusal is null && UsesReserve(request))
            {
                at.Held = request;
                at.Pause(new SystemCallException("accept4", Errno.ProcessDescriptorLimit, $"This process is out of descriptors, but for {_reserve} that are left to its handlers and the runtime. Close some, or raise its limit (ulimit -n)."));
                return;
            }
            Interlocked.Increment(ref _accepted);
            if (refusal is null)
            {
                Take(at, request);
            }
            else
            {
                if (IsNews(refusal))
                {
                    Log.AtLimit(Logger, Name, $"{refusal}, so callers are refused");
                }
                LogRefusal(request, refusal);
                Refuse(request);
            }
        }
        if (UsesBaseSockets && _wanted > 0 && !IsStopping && !at.IsPaused)
        {
            // A watched listener would tell of those who wait still; this one must be asked.
            TellRequest();
        }
    }

    /// <summary>True if a request has one of the last descriptors of the process: without any, the runtime can't even start
    /// a thread, and ends the process. One request at a time is served nevertheless.</summary>
    private bool UsesReserve(TRequest request)
    {
        int descriptor = DescriptorOf(request);
        if (descriptor < _descriptorLimit - _reserve || OpenCalls == 0)
        {
            return false;
        }
        CallResult next = DescriptorCalls.LowestFree(descriptor);
        return !next.Succeeded || next.Value >= _descriptorLimit - _reserve;
    }

    private void Take(Acceptor at, TRequest request)
    {
        try
        {
            if (!Verify(request))
            {
                TurnAway(request, ConnectionEndReason.Unverified);
                return;
            }
            Process(request);
            Took();
        }
        catch (SystemCallException exception) when (AcceptErrors.PolicyFor(exception.Errno) == AcceptPolicy.Pause)
        {
            // The caller is accepted but its thread can't be made yet: keep it, and go on when there is room.
            Interlocked.Decrement(ref _accepted);
            at.Held = request;
            at.Pause(exception);
        }
        catch (Exception exception)
        {
            Failed(request, exception);
            TurnAway(request, ConnectionEndReason.HandlerFailed);
        }
    }

    /// <summary>Steps 5 and 6 for a request that gets no handler; on the loop that accepted it.</summary>
    private async void TurnAway(TRequest request, ConnectionEndReason reason)
    {
        Mark(request, reason, null);
        await ShutdownAsync(request);
    }

    /// <summary>Steps 4 to 6, on the call's own thread or loop. Never fails.</summary>
    private async Task ServeAsync(ServedCall call, EventLoop? loop)
    {
        TRequest request = call.Request;
        CallTelemetry? telemetry = null;
        try
        {
            telemetry = BeginTelemetry(request);
            Attach(request, loop);
            if (IsStopping)
            {
                TellStop(request);
            }
            await FinishAsync(request, Stopping);
        }
        catch (Exception exception)
        {
            Left(request, exception);
        }
        await ShutdownAsync(request);
        if (telemetry is not null)
        {
            End(telemetry, request);
        }
        _model.Ended(call);
        Forget(call);
    }

    /// <summary>Steps 5 and 6. Never fails: a step that throws must not keep the call, or the whole server, from ending.</summary>
    private async Task ShutdownAsync(TRequest request)
    {
        try
        {
            await ShutdownRequestAsync(request);
        }
        catch (Exception exception)
        {
            Failed(request, exception);
            try
            {
                CloseRequest(request);
            }
            catch (Exception inner)
            {
                LogFailure(request, inner);
            }
        }
    }

    private void LogFailure(TRequest request, Exception exception)
    {
        Caller caller = CallerOf(request);
        Log.HandlerFailed(Logger, Name, caller.Kind, caller.Id, caller.PeerName, exception);
    }

    private void LogRefusal(TRequest request, string why)
    {
        if (Logger.IsEnabled(LogLevel.Debug))
        {
            Caller caller = CallerOf(request);
            Log.Refused(Logger, Name, caller.Kind, caller.Id, caller.PeerName, why);
        }
    }

    /// <summary>Tells of what left a handler: leaving by the token of a stop is no failure. On the thread that serves the request.</summary>
    private protected void Left(TRequest request, Exception exception)
    {
        if (exception is OperationCanceledException && IsStopping)
        {
            Mark(request, ConnectionEndReason.Stopped, null);
        }
        else
        {
            Failed(request, exception);
        }
    }

    private void Failed(TRequest request, Exception exception)
    {
        // The end of a connection leaves the handler as an exception, perhaps wrapped by a stream or reader; that is no
        // fault of the handler.
        if (exception is ConnectionEndedException || (exception is IOException && HasEndedItself(request)))
        {
            if (Logger.IsEnabled(LogLevel.Debug))
            {
                Caller caller = CallerOf(request);
                Log.EndedByConnection(Logger, Name, caller.Kind, caller.Id, caller.PeerName, exception.Message);
            }
            return;
        }
        Mark(request, ConnectionEndReason.HandlerFailed, exception);
        try
        {
            OnError(request, exception);
        }
        catch (Exception inner)
        {
            LogFailure(request, inner);
        }
    }

    private Acceptor[] AcceptorsOf(CallModel model) => [.. model.Loops.Select((loop, index) => new Acceptor(this, loop, index))];

    void ILoopMember.OnUnhandled(Exception exception) => OnUnhandled(exception);

    private void OnUnhandled(Exception exception) => Log.Unhandled(Logger, Name, exception);

    /// <summary>One call of this server.</summary>
    private sealed class ServedCall(SocketServer<TRequest> server, TRequest request) : Call
    {
        internal TRequest Request => request;

        internal SocketServer<TRequest> Server => server;

        /// <summary>True if its handler awaits the server's stop, which then must not wait for it.</summary>
        internal bool AwaitsStop { get; set; }

        internal override Task RunAsync(EventLoop? loop) => server.ServeAsync(this, loop);
    }
}
