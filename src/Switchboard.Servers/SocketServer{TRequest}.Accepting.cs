using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

// Callers who come, and those who must wait: the listener is watched, left alone, or paused.
public abstract partial class SocketServer<TRequest>
{
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(100);

    private LoopTimer? _pauseTimer;
    private bool _isPaused;
    private bool _pauseLogged;
    private long _pauses;

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
}
