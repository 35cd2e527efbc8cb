using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>What a listener does after an error of <c>accept(2)</c>.</summary>
public enum AcceptPolicy
{
    /// <summary>One caller was lost or nobody is there: go on with the next.</summary>
    Retry,
    /// <summary>Descriptors or memory ran out: leave callers in the backlog, keep those that are served, and try again
    /// after a pause or when a connection ends.</summary>
    Pause,
    /// <summary>The listener was closed or shut down: stop accepting, which is no error.</summary>
    Gone,
    /// <summary>Nothing that waiting could mend: the server ends with this error.</summary>
    Fatal,
}

/// <summary>The table of errors of <c>accept(2)</c>, one row an error.</summary>
public static class AcceptErrors
{
    /// <summary>The rows. An error that is not in the table is <see cref="AcceptPolicy.Fatal"/>. Errors of the network
    /// that waits behind a new connection count as one lost caller, as <c>accept(2)</c> asks for Linux.</summary>
    public static IReadOnlyDictionary<Errno, AcceptPolicy> Table { get; } = new Dictionary<Errno, AcceptPolicy>
    {
        [Errno.Again] = AcceptPolicy.Retry,
        [Errno.Interrupted] = AcceptPolicy.Retry,
        [Errno.ConnectionAborted] = AcceptPolicy.Retry,
        [Errno.Protocol] = AcceptPolicy.Retry,
        [Errno.NoProtocolOption] = AcceptPolicy.Retry,
        [Errno.NetworkDown] = AcceptPolicy.Retry,
        [Errno.NetworkUnreachable] = AcceptPolicy.Retry,
        [Errno.HostDown] = AcceptPolicy.Retry,
        [Errno.HostUnreachable] = AcceptPolicy.Retry,
        [Errno.NoNetwork] = AcceptPolicy.Retry,
        [Errno.NotSupported] = AcceptPolicy.Retry,
        [Errno.TimedOut] = AcceptPolicy.Retry,
        [Errno.NotPermitted] = AcceptPolicy.Retry,
        [Errno.ProcessDescriptorLimit] = AcceptPolicy.Pause,
        [Errno.SystemDescriptorLimit] = AcceptPolicy.Pause,
        [Errno.NoBuffers] = AcceptPolicy.Pause,
        [Errno.NoMemory] = AcceptPolicy.Pause,
        [Errno.BadDescriptor] = AcceptPolicy.Gone,
        [Errno.InvalidArgument] = AcceptPolicy.Gone,
        [Errno.NotSocket] = AcceptPolicy.Fatal,
        [Errno.Fault] = AcceptPolicy.Fatal,
    };

    /// <summary>The row of an error.</summary>
    /// <param name="errno">What <c>accept(2)</c> answered.</param>
    /// <returns>What to do.</returns>
    public static AcceptPolicy PolicyFor(Errno errno) => Table.GetValueOrDefault(errno, AcceptPolicy.Fatal);
}
