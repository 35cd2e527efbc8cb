using System.Threading.Tasks.Sources;

namespace Switchboard.Polling;

/// <summary>
/// Where the rest of an awaiting method runs when an operation completes on the loop: inline, on the loop's thread.
/// The runtime won't run a continuation inline that asked for no context (ConfigureAwait(false)) while a synchronisation
/// context is current; SslStream and the pipe readers would hop to the thread pool. So it is taken away meanwhile.
/// </summary>
internal readonly struct CompletionScope
{
    private readonly SynchronizationContext? _before;

    private CompletionScope(SynchronizationContext? before) => _before = before;

    /// <summary>Whether an awaiter asked for a context. If it is the loop's own, the flag is dropped: completing on the
    /// loop's thread is coming back to it. Another context is kept and honoured.</summary>
    internal static bool WantsContext(EventLoop loop, ref ValueTaskSourceOnCompletedFlags flags) => WantsContext(loop.Context, ref flags);

    internal static bool WantsContext(SynchronizationContext own, ref ValueTaskSourceOnCompletedFlags flags)
    {
        if ((flags & ValueTaskSourceOnCompletedFlags.UseSchedulingContext) == 0)
        {
            return false;
        }
        if (SynchronizationContext.Current == own)
        {
            flags &= ~ValueTaskSourceOnCompletedFlags.UseSchedulingContext;
        }
        return true;
    }

    internal static CompletionScope Enter(bool wantsContext)
    {
        if (wantsContext || SynchronizationContext.Current is not { } before)
        {
            return default;
        }
        SynchronizationContext.SetSynchronizationContext(null);
        return new CompletionScope(before);
    }

    internal void Leave()
    {
        if (_before is not null)
        {
            SynchronizationContext.SetSynchronizationContext(_before);
        }
    }
}
