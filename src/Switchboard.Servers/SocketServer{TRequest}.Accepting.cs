using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

// Callers who come, and those who must wait: the listener is watched, left alone, or paused.
public abstract partial class SocketServer<TRequest>
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan _untilToldAgain = TimeSpan.FromMinutes(1);

    private long _pauses;
    private readonly ConcurrentDictionary<string, long> _limitsTold = new();

    /// <summary>Takes a place among the server's connections, if one is free.</summary>
    private protected virtual bool TryEnter() => true;

    /// <summary>Asks for <see cref="OnPlace"/> when a place becomes free. False if one is free already.</summary>
    private protected virtual bool AwaitPlace() => false;

    /// <summary>Gives back a place that no request has taken.</summary>
    private protected virtual void Leave()
    {
    }

    /// <summary>Why a request that was just taken is refused; null if it is not.</summary>
    private protected virtual string? Refusal(TRequest request, bool hasPlace) => null;

    /// <summary>Closes a request that is refused.</summary>
    private protected virtual void Refuse(TRequest request) => Discard(request, ConnectionEndReason.Limit);

    /// <summary>A place among the connections is free again. Any thread.</summary>
    private protected void OnPlace()
    {
        foreach (Acceptor acceptor in _acceptors)
        {
            acceptor.Loop.Post(static self => ((Acceptor)self!).OnPlace(), acceptor);
        }
    }

    /// <summary>A crowd at a limit is told of once a minute, at each limit by itself. True if it is time to.</summary>
    /// <param name="limit">Which limit: one of a few strings.</param>
    private protected bool IsNews(string limit)
    {
        long now = Stopwatch.GetTimestamp();
        return _limitsTold.TryGetValue(limit, out long told)
            ? Stopwatch.GetElapsedTime(told, now) >= _untilToldAgain && _limitsTold.TryUpdate(limit, now, told)
            : _limitsTold.TryAdd(limit, now);
    }

    /// <summary>True if a request waits of which no event of the socket tells.</summary>
    private protected virtual bool HasWaiting => false;

    /// <summary>A full model has room again; on the first loop, which is the only one of a model that can be full.</summary>
    private void OnRoom()
    {
        if (_servedOne is { } one)
        {
            _servedOne = null;
            one.Source.TrySetResult(true);
        }
        _acceptors[0].Resume();
    }

    /// <summary>A request that was asked for has come. Any thread.</summary>
    private protected void TellRequest() => _acceptors[0].Loop.Post(static self => ((IReadyHandler)self!).OnReady(Readiness.Readable), _acceptors[0]);

    /// <summary>A request is about to be closed, on the thread that served it.</summary>
    private protected void Ending() => _model.Ending();

    private protected bool UsesBaseSockets => _model.UsesBaseSockets;

    /// <summary>True if a loop carries many calls, so that there is always room for another.</summary>
    private protected bool SharesLoops => _model.SharesLoops;

    private protected int LoopCount => _acceptors.Length;

    /// <summary>Which loop the calling thread runs; the first if none.</summary>
    private protected int CurrentLoop => Math.Max(0, Array.FindIndex(_acceptors, static acceptor => acceptor.Loop.IsCurrent));

    /// <summary>The socket that a loop takes callers from.</summary>
    private protected virtual SafeHandle? HandleOf(int loop) => SocketHandle;

    /// <summary>What one loop does about callers. On the loop's thread.</summary>
    private sealed class Acceptor : IReadyHandler
    {
        private readonly SocketServer<TRequest> _server;
        private readonly int _index;
        private readonly LoopTimer _pauseTimer;
        private readonly LoopTimer _turnTimer;
        private SelectorKey? _key;
        private bool _hasPaused;

        internal Acceptor(SocketServer<TRequest> server, EventLoop loop, int index)
        {
            _server = server;
            _index = index;
            Loop = loop;
            _pauseTimer = new LoopTimer(loop, static self => ((Acceptor)self!).EndPause(), this);
            _turnTimer = new LoopTimer(loop, static self => ((Acceptor)self!).TakeTurn(), this);
        }

        internal EventLoop Loop { get; }

        internal ILoopMember Server => _server;

        /// <summary>True while the listener is left alone because something ran out. Read by any thread.</summary>
        internal bool IsPaused { get; private set; }

        /// <summary>A request that was taken but can't be served yet.</summary>
        internal TRequest? Held { get; set; }

        internal bool HasStopped { get; private set; }

        /// <summary>Watches the socket, or leaves callers in the backlog.</summary>
        internal void Watch(bool watch)
        {
            // A listener of the base library's is not watched: it tells by itself when a caller was asked for and comes.
            if (HasStopped || _server.HandleOf(_index) is not DescriptorHandle { IsClosed: false } handle)
            {
                return;
            }
            Interest interest = watch ? Interest.Read : Interest.None;
            try
            {
                if (_key is { } key)
                {
                    if (key.Interest != interest)
                    {
                        Loop.Modify(key, interest);
                    }
                }
                else if (watch)
                {
                    // One caller wakes one loop, not all.
                    _key = Loop.Register(handle.Number, interest, this, _server._acceptors.Length > 1 ? Trigger.Exclusive : Trigger.Level);
                }
            }
            catch (SystemCallException exception)
            {
                // The kernel has no memory for it, or no more watches. It is tried anew as when descriptors run out.
                _key = null;
                Pause(exception);
            }
        }

        /// <summary>The model has room again, or a pause is over.</summary>
        internal void Resume()
        {
            if (!_server._isStopping && !IsPaused && _server._wanted > 0)
            {
                Watch(true);
                // Without a free descriptor accept does not say whether anybody waits, so after a pause it is asked anew.
                if (Held is not null || _hasPaused || _server.HasWaiting)
                {
                    _server.TakeRequests(this);
                }
            }
        }

        internal void OnPlace()
        {
            Resume();
            if (_server.UsesBaseSockets)
            {
                // It has no listener that is watched.
                ((IReadyHandler)this).OnReady(Readiness.Readable);
            }
        }

        internal TRequest? TryGetRequest()
        {
            while (true)
            {
                try
                {
                    TRequest? request = _server.GetRequest();
                    if (request is null && _hasPaused)
                    {
                        // All who waited are in. A server at its limit takes one for each that leaves, which is no news.
                        _hasPaused = false;
                        Log.Accepting(_server.Logger, _server.Name);
                    }
                    return request;
                }
                catch (SystemCallException exception)
                {
                    switch (AcceptErrors.PolicyFor(exception.Errno))
                    {
                        case AcceptPolicy.Retry:
                            Log.CallerLost(_server.Logger, _server.Name, exception.Message);
                            continue;
                        case AcceptPolicy.Pause:
                            Pause(exception);
                            return null;
                        case AcceptPolicy.Gone when _server._isStopping:
                            return null;
                        case AcceptPolicy.Gone:
                            Log.ListenerGone(_server.Logger, _server.Name, exception.Message);
                            _server.StopItself();
                            return null;
                        default:
                            _server.Fail(exception);
                            return null;
                    }
                }
            }
        }

        /// <summary>Callers come faster than they may be accepted.</summary>
        internal void WaitForTurn(TimeSpan wait)
        {
            Watch(false);
            if (_server.IsNews(nameof(CallerLimits.AcceptsPerSecond)))
            {
                Log.AtLimit(_server.Logger, _server.Name, $"CallerLimits.AcceptsPerSecond is {_server.Options.Callers.AcceptsPerSecond}, so the next callers wait in the backlog");
            }
            _turnTimer.Arm(wait);
        }

        private void TakeTurn()
        {
            Resume();
            // Datagrams that came with others in one call wait here and not in the kernel, which would tell of them.
            ((IReadyHandler)this).OnReady(Readiness.Readable);
        }

        internal void Pause(SystemCallException cause)
        {
            Interlocked.Increment(ref _server._pauses);
            if (!_hasPaused)
            {
                _hasPaused = true;
                Log.Paused(_server.Logger, _server.Name, cause.Message);
            }
            IsPaused = true;
            Watch(false);
            _pauseTimer.Arm(_pause);
        }

        internal void EndPause()
        {
            if (IsPaused)
            {
                IsPaused = false;
                _pauseTimer.Disarm();
                Resume();
            }
        }

        /// <summary>Takes no more callers, once.</summary>
        internal void Stop()
        {
            HasStopped = true;
            if (_key is { IsRegistered: true } key)
            {
                Loop.Unregister(key);
            }
            _pauseTimer.Disarm();
            _turnTimer.Disarm();
            if (Held is { } held)
            {
                Held = null;
                _server.Discard(held, ConnectionEndReason.Stopped);
            }
        }

        void IReadyHandler.OnReady(Readiness ready)
        {
            try
            {
                _server.TakeRequests(this);
            }
            catch (Exception exception)
            {
                _server.Fail(exception);
            }
        }
    }
}
