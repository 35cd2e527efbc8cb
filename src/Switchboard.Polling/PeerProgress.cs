using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>Whether the peer takes bytes although there is no room for more: the kernel tells of room in steps of a third of a send
/// buffer, which may be megabytes, so that a slow peer seems to take nothing for long.</summary>
internal struct PeerProgress
{
    private int _untaken;
    private bool _isKnown;

    /// <summary>From now on.</summary>
    internal void Begin(int descriptor)
    {
        _untaken = Untaken(descriptor);
        _isKnown = true;
    }

    /// <summary>Whether it has taken a byte since the beginning, or the last such question; true if there was neither. Nothing must
    /// have been sent meanwhile.</summary>
    internal bool HasTaken(int descriptor)
    {
        (int before, bool wasKnown) = (_untaken, _isKnown);
        Begin(descriptor);
        return !wasKnown || _untaken < before;
    }

    /// <summary>What the kernel still holds; the most where it does not say, so that nothing seems to be taken.</summary>
    private static int Untaken(int descriptor)
    {
        try
        {
            return OperatingSystem.IsLinux() && DescriptorCalls.CountUntaken(descriptor) is { Succeeded: true, Value: var count } ? count : int.MaxValue;
        }
        catch (DllNotFoundException)
        {
            // A server of tasks does without this library's system calls.
            return int.MaxValue;
        }
    }
}
