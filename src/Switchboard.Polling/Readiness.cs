namespace Switchboard.Polling;

/// <summary>What a descriptor is ready for.</summary>
/// <remarks><see cref="Error"/> and <see cref="HangUp"/> come without being asked for, and bring
/// <see cref="Readable"/> and <see cref="Writable"/> with them as far as these were asked for: the next read or write
/// does not wait and tells what happened. <see cref="SelectSelector"/> reports only those two directions in that case,
/// since <c>select(2)</c> has no word for the rest.</remarks>
[Flags]
public enum Readiness : byte
{
    /// <summary>Nothing.</summary>
    None = 0,
    /// <summary>A read does not wait: there are bytes, the end of input, a caller, or an error to fetch.</summary>
    Readable = 1,
    /// <summary>A write does not wait: there is room, or an error to fetch.</summary>
    Writable = 2,
    /// <summary>An error is waiting, or the number is no longer open.</summary>
    Error = 4,
    /// <summary>The other side is gone for reading and writing.</summary>
    HangUp = 8,
    /// <summary>Something exceptional is there.</summary>
    Priority = 16,
    /// <summary>The peer writes no more: after the bytes that are there comes the end of input. Reported with
    /// <see cref="Trigger.Edge"/> only, where no later event says so.</summary>
    ReadHangUp = 32,
}
