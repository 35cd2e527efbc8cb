using Switchboard.Linux;

namespace Switchboard.Polling;

// How long reads may wait. One timer, armed by the first read that waits, looks at stamps when it fires, so that a read
// costs a stamp only.
public sealed partial class LoopSocket
{
    // A byte may be there that the loop sees in this turn, after the timers.
    private static readonly TimeSpan _shortestArming = TimeSpan.FromMilliseconds(FirstByteTime.CoarseClockStep);

    private LoopTimer? _idleTimer;

    /// <summary>Begins the time of <see cref="ILoopSocketOwner.FirstByteLimit"/> anew: what was received so far was not the
    /// call's first byte, but that of a handshake for example. Loop's thread only, with no read pending.</summary>
    public void ExpectFirstByte()
    {
        _firstByte.Begin(_owner.FirstByteLimit, Received);
        _limitsReads |= _firstByte.Limit != Timeout.InfiniteTimeSpan;
        _idleTimer?.Disarm();
        _isTimed = false;
    }

    private void ArmIdle()
    {
        TimeSpan left = ReadTimeLeft(out _);
        if (left == TimeSpan.MaxValue)
        {
            _limitsReads = false;
            return;
        }
        _isTimed = true;
        _idleTimer ??= new LoopTimer(_loop, static self => ((LoopSocket)self!).CheckIdle(), this);
        _idleTimer.Arm(left > _shortestArming ? left : _shortestArming);
    }

    private void CheckIdle()
    {
        _isTimed = false;
        if (!_readPending)
        {
            return;
        }
        if (ReadTimeLeft(out bool isFirst) > TimeSpan.Zero)
        {
            ArmIdle();
            return;
        }
        Fault(EndOfReadTime(isFirst));
    }

    /// <summary>How long the read that waits may go on; <see cref="TimeSpan.MaxValue"/> for ever.</summary>
    private TimeSpan ReadTimeLeft(out bool isFirst)
    {
        TimeSpan left = _idleLimit == Timeout.InfiniteTimeSpan
            ? TimeSpan.MaxValue
            : _idleLimit - TimeSpan.FromMilliseconds(Environment.TickCount64 - _readStarted - FirstByteTime.CoarseClockStep);
        isFirst = _firstByte.IsAwaited(Received) && _firstByte.Left < left;
        return isFirst ? _firstByte.Left : left;
    }

    private Exception EndOfReadTime(bool isFirst) => isFirst ? _owner.OnNoFirstByte(_firstByte.Limit) : _owner.OnIdle(_idleLimit);

    /// <summary>Has the next blocking read wait for so long as it may.</summary>
    private void LimitBlockingRead(ref bool isFirst)
    {
        _readStarted = Environment.TickCount64;
        TimeSpan left = ReadTimeLeft(out bool isFirstNow);
        // Set anew only while the first byte is awaited, and once when it has come.
        if (isFirstNow || isFirst)
        {
            TimeSpan time = !isFirstNow ? _idleLimit : left > _shortestArming ? left : _shortestArming;
            SocketCalls.SetReceiveTimeout(_descriptor, time).OrThrow("setsockopt", "SO_RCVTIMEO");
        }
        isFirst = isFirstNow;
    }
}
