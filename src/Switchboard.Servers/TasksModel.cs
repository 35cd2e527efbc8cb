using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>Calls run on the thread pool, each in a context of its own, on the base library's asynchronous sockets.</summary>
internal sealed class TasksModel(ModelSettings settings) : CallModel
{
    internal override IReadOnlyList<EventLoop> Loops { get; } = settings.IsStream ? [new EventLoop(new SleepSelector(), waitsInline: true)] : OneLoop();

    internal override bool UsesBaseSockets => settings.IsStream;

    internal override bool HasRoom => true;

    internal override void Start(Call call) =>
        new CallContext(call, settings.OnUnhandled, settings.Stopping).Post(static call => _ = ((Call)call!).RunAsync(null), call);

    internal override void Ended(Call call) => CallContext.OfThisPiece?.Ended();
}
