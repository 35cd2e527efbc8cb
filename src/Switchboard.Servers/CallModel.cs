using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>What a model needs to know of its server.</summary>
/// <param name="Name">For the names of threads.</param>
/// <param name="OnRoom">Called, on any thread, when a full model has room again.</param>
/// <param name="OnUnhandled">Called with what escapes from posted work.</param>
/// <param name="IsStream">True if requests are connections, false if they are datagrams.</param>
/// <param name="Stopping">Cancelled when the server stops.</param>
internal sealed record ModelSettings(string Name, Action OnRoom, Action<Exception> OnUnhandled, bool IsStream, CancellationToken Stopping);

/// <summary>One call, as a model sees it: something to run somewhere, whose end is told.</summary>
internal abstract class Call
{
    [ThreadStatic]
    private static Call? _current;

    /// <summary>The call that the calling thread serves alone, or null.</summary>
    internal static Call? Current
    {
        get => _current;
        set => _current = value;
    }

    /// <summary>The place in its model; the model's own.</summary>
    internal int Place { get; set; }

    /// <summary>Serves the call on the loop's thread, or without a loop in the context that is current; never fails.</summary>
    internal abstract Task RunAsync(EventLoop? loop);
}

/// <summary>Accepts and runs calls somewhere. <see cref="Start"/> and <see cref="HasRoom"/> are used on the loops that
/// accept only.</summary>
internal abstract class CallModel
{
    /// <summary>The loops that accept, each run by a thread of the server's.</summary>
    internal abstract IReadOnlyList<EventLoop> Loops { get; }

    /// <summary>True if calls run on the loops that accept.</summary>
    internal virtual bool RunsOnLoops => false;

    /// <summary>True if a loop carries many calls.</summary>
    internal virtual bool SharesLoops => false;

    /// <summary>True if callers come by sockets of the base library, not by descriptors that loops watch.</summary>
    internal virtual bool UsesBaseSockets => false;

    internal abstract bool HasRoom { get; }

    /// <summary>Asked when there was no room: true if there is by now, or will be in a moment since a call is about to end
    /// whose connection may be closed already.</summary>
    internal virtual bool IsMakingRoom => false;

    internal virtual WhenFull WhenFull => WhenFull.Wait;

    /// <summary>True if a request is served, not only handed over, when the model has room again.</summary>
    internal virtual bool ServesOneAtATime => false;

    /// <summary>False if a stop does not wait for calls.</summary>
    internal virtual bool JoinsOnClose => true;

    internal abstract void Start(Call call);

    /// <summary>A call's connection is about to be closed, so that its peer knows of the room before the model does; on the
    /// thread that served it.</summary>
    internal virtual void Ending()
    {
    }

    /// <summary>A call has ended; on the thread that served it.</summary>
    internal virtual void Ended(Call call)
    {
    }

    /// <summary>Ends the threads of the model as their calls end. Any thread.</summary>
    internal virtual void Close()
    {
    }

    /// <summary>A loop that accepts and runs at most one call, so that code on it may block.</summary>
    private protected static EventLoop[] OneLoop() => [new EventLoop(new PollSelector(), waitsInline: true)];
}

/// <summary>One call at a time on the server's own loop.</summary>
internal sealed class SequentialModel(ModelSettings settings) : CallModel
{
    private bool _busy;

    internal override IReadOnlyList<EventLoop> Loops { get; } = OneLoop();

    internal override bool RunsOnLoops => true;

    internal override bool HasRoom => !_busy;

    internal override bool ServesOneAtATime => true;

    internal override void Start(Call call)
    {
        _busy = true;
        Call.Current = call;
        _ = call.RunAsync(Loops[0]);
    }

    internal override void Ended(Call call)
    {
        Call.Current = null;
        _busy = false;
        settings.OnRoom();
    }
}
