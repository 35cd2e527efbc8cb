using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>Between our words and those of <c>poll(2)</c>; <c>epoll_ctl(2)</c> has the same numbers for them.</summary>
internal static class KernelEvents
{
    internal static PollEvents Asked(Interest interest) =>
        ((interest & Interest.Read) != 0 ? PollEvents.Readable : 0)
        | ((interest & Interest.Write) != 0 ? PollEvents.Writable : 0)
        | ((interest & Interest.Priority) != 0 ? PollEvents.Priority : 0);

    internal static Readiness Answered(PollEvents events, Interest interest)
    {
        Readiness ready =
            ((events & PollEvents.Readable) != 0 ? Readiness.Readable : 0)
            | ((events & PollEvents.Writable) != 0 ? Readiness.Writable : 0)
            | ((events & PollEvents.Priority) != 0 ? Readiness.Priority : 0)
            | ((events & PollEvents.ReadHangUp) != 0 ? Readiness.ReadHangUp : 0);
        if ((events & (PollEvents.Error | PollEvents.HangUp | PollEvents.NotOpen)) != 0)
        {
            ready |= Directions(interest)
                | ((events & PollEvents.HangUp) != 0 ? Readiness.HangUp : 0)
                | ((events & (PollEvents.Error | PollEvents.NotOpen)) != 0 ? Readiness.Error : 0);
        }
        return ready;
    }

    internal static Readiness Directions(Interest interest) =>
        ((interest & Interest.Read) != 0 ? Readiness.Readable : 0)
        | ((interest & Interest.Write) != 0 ? Readiness.Writable : 0);
}
