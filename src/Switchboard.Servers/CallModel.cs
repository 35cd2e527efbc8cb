using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>What a model needs to know of its server.</summary>
/// <param name="Name">For the names of threads.</param>
/// <param name="ServerLoop">The loop that accepts.</param>
/// <param name="OnRoom">Called, on any thread, when a full model has room again.</param>
/// <param name="OnUnhandled">Called with what escapes from posted work.</param>
internal sealed record ModelSettings(string Name, EventLoop ServerLoop, Action OnRoom, Action<Exception> OnUnhandled);

/// <summary>One call, as a model sees it: something to run on a loop, whose end is told.</summary>
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

    /// <summary>Serves the call on the loop's thread; never fails.</summary>
    internal abstract Task RunAsync(EventLoop loop);
}

/// <summary>Runs calls somewhere. <see cref="Start"/> and <see cref="HasRoom"/> are used on the server's loop only.</summary>
internal abstract class CallModel
{
    internal abstract bool HasRoom { get; }

    internal abstract WhenFull WhenFull { get; }

    /// <summary>False if a stop does not wait for calls.</summary>
    internal virtual bool JoinsOnClose => true;

    /// <summary>True if a handler may block its thread.</summary>
    internal abstract bool AllowsBlocking { get; }

    internal abstract void Start(Call call);

    /// <summary>Ends the threads of the model as their calls end. Any thread.</summary>
    internal abstract void Close();
}

/// <summary>One call at a time on the server's own loop.</summary>
internal sealed class SequentialModel(ModelSettings settings) : CallModel
{
    private bool _busy;

    internal override bool HasRoom => !_busy;

    internal override WhenFull WhenFull => WhenFull.Wait;

    internal override bool AllowsBlocking => true;

    internal override async void Start(Call call)
    {
        _busy = true;
        Call.Current = call;
        await call.RunAsync(settings.ServerLoop);
        Call.Current = null;
        _busy = false;
        settings.OnRoom();
    }

    internal override void Close()
    {
    }
}
