namespace Switchboard.Workers;

/// <summary>An exception that waits for somebody to ask for it. If it is collected before, or the program ends, it is told to
/// whoever takes what nobody else does. Only its worker refers to it, so it lives exactly as long as somebody could ask.</summary>
internal sealed class UnaskedFailure
{
    private static readonly Lock _gate = new();
    private static readonly HashSet<WeakReference<UnaskedFailure>> _waiting = [];

    private readonly Action<Exception> _tell;
    private readonly WeakReference<UnaskedFailure> _entry;

    static UnaskedFailure() => AppDomain.CurrentDomain.ProcessExit += (_, _) => TellAll();

    private UnaskedFailure(Exception exception, Action<Exception> tell)
    {
        Exception = exception;
        _tell = tell;
        // Tracked beyond its finalizer, which may come too late when the program ends.
        _entry = new WeakReference<UnaskedFailure>(this, trackResurrection: true);
    }

    ~UnaskedFailure() => TellOnce();

    /// <summary>What the work threw.</summary>
    internal Exception Exception { get; }

    /// <summary>Keeps an exception until it is withdrawn, collected, or the program ends.</summary>
    internal static UnaskedFailure Keep(Exception exception, Action<Exception> tell)
    {
        var failure = new UnaskedFailure(exception, tell);
        lock (_gate)
        {
            _waiting.Add(failure._entry);
        }
        return failure;
    }

    /// <summary>Somebody has asked: nobody else needs to be told.</summary>
    internal void Withdraw() => Take();

    private static void TellAll()
    {
        WeakReference<UnaskedFailure>[] waiting;
        lock (_gate)
        {
            waiting = [.. _waiting];
        }
        foreach (WeakReference<UnaskedFailure> entry in waiting)
        {
            if (entry.TryGetTarget(out UnaskedFailure? failure))
            {
                failure.TellOnce();
            }
        }
    }

    private bool Take()
    {
        lock (_gate)
        {
            return _waiting.Remove(_entry);
        }
    }

    private void TellOnce()
    {
        if (Take())
        {
            _tell(Exception);
        }
    }
}
