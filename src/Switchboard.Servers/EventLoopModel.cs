using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>All calls on one loop, or spread over several, which all accept from the same listener.</summary>
internal sealed class EventLoopModel(EventLoopGroup group) : CallModel
{
    internal override IReadOnlyList<EventLoop> Loops => group.Loops;

    internal override bool RunsOnLoops => true;

    internal override bool SharesLoops => true;

    internal override bool HasRoom => true;

    internal override void Start(Call call)
    {
        int accepting = 0;
        while (accepting < Loops.Count - 1 && !Loops[accepting].IsCurrent)
        {
            accepting++;
        }
        call.Place = group.Place(accepting);
        EventLoop loop = Loops[call.Place];
        if (loop.IsCurrent)
        {
            _ = call.RunAsync(loop);
        }
        else
        {
            loop.Post(static state =>
            {
                (Call call, EventLoop loop) = ((Call, EventLoop))state!;
                _ = call.RunAsync(loop);
            }, (call, loop));
        }
    }

    internal override void Ended(Call call) => group.Leave(call.Place);
}
