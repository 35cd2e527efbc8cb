namespace Switchboard.Polling;

/// <summary>What to watch a descriptor for.</summary>
[Flags]
public enum Interest : byte
{
    /// <summary>Nothing at all, not even an error or a hang-up. The registration stays; <see cref="Selector.Modify(SelectorKey, Interest)"/> takes it up again.</summary>
    None = 0,
    /// <summary>Something to read, the end of input, or a caller to accept.</summary>
    Read = 1,
    /// <summary>Room to write, or the end of a connection attempt.</summary>
    Write = 2,
    /// <summary>Something exceptional: out-of-band data on a TCP socket, for one (<c>poll(2)</c>, POLLPRI).</summary>
    Priority = 4,
}
