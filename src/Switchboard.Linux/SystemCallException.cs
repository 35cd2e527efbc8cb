using System.Runtime.InteropServices;

namespace Switchboard.Linux;

/// <summary>A system call failed. The message says which call, on what, and what the kernel answered.</summary>
/// <remarks>What a caller can do something about has a type of its own: <see cref="AddressInUseException"/>,
/// <see cref="DescriptorLimitException"/>, <see cref="BadDescriptorException"/>, <see cref="NotPollableException"/>.</remarks>
public class SystemCallException : IOException
{
    /// <summary>Describes a failed call.</summary>
    /// <param name="call">The call's name as in section 2 of the manual, <c>bind</c> for example.</param>
    /// <param name="errno">What the kernel answered.</param>
    /// <param name="message">The whole sentence; null for one made of the call and the system's own text.</param>
    public SystemCallException(string call, Errno errno, string? message = null)
        : base(message ?? Sentence(call, errno))
    {
        Call = call;
        Errno = errno;
    }

    /// <summary>The call's name as in section 2 of the manual.</summary>
    public string Call { get; }

    /// <summary>The error number that the kernel answered (<c>errno(3)</c>).</summary>
    public Errno Errno { get; }

    internal static string Sentence(string call, Errno errno, string? subject = null)
    {
        string on = subject is null ? "" : $" on {subject}";
        return $"{call}{on} failed: {Marshal.GetPInvokeErrorMessage((int)errno)} (errno {(int)errno}).";
    }

    /// <summary>The exception whose type fits <paramref name="errno"/>.</summary>
    /// <param name="call">The call's name.</param>
    /// <param name="errno">What the kernel answered.</param>
    /// <param name="subject">What the call was about, an address or a descriptor, for the message; null for nothing.</param>
    /// <returns>The exception, to be thrown.</returns>
    public static SystemCallException For(string call, Errno errno, string? subject = null) => errno switch
    {
        Errno.AddressInUse => new AddressInUseException(call, subject ?? "the address"),
        Errno.ProcessDescriptorLimit or Errno.SystemDescriptorLimit => new DescriptorLimitException(call, errno),
        Errno.BadDescriptor => new BadDescriptorException(call, subject ?? "the descriptor"),
        _ => new SystemCallException(call, errno, Sentence(call, errno, subject)),
    };
}

/// <summary>Somebody else is bound to the address (EADDRINUSE). Choose another, end the other program, or share the
/// port on purpose with SO_REUSEPORT on both sides.</summary>
/// <param name="call">The call that failed.</param>
/// <param name="address">The address, as text.</param>
public sealed class AddressInUseException(string call, string address) : SystemCallException(call, Errno.AddressInUse,
    $"{address} is in use: another socket is bound to it. End that program, choose another address, or let both sides set port reuse.");

/// <summary>There is no free descriptor: the process's limit (EMFILE, raise <c>ulimit -n</c>) or the system's (ENFILE,
/// raise <c>fs.file-max</c>).</summary>
/// <param name="call">The call that failed.</param>
/// <param name="errno">EMFILE or ENFILE.</param>
public sealed class DescriptorLimitException(string call, Errno errno) : SystemCallException(call, errno,
    errno == Errno.ProcessDescriptorLimit
        ? $"{call} failed: this process is out of descriptors (EMFILE). Close some, or raise its limit (ulimit -n)."
        : $"{call} failed: the system is out of open files (ENFILE). Close some, or raise fs.file-max.");

/// <summary>The number is not an open descriptor of this process (EBADF): it was closed, or never was one.</summary>
/// <param name="call">The call that failed.</param>
/// <param name="descriptor">The descriptor, as text.</param>
public sealed class BadDescriptorException(string call, string descriptor) : SystemCallException(call, Errno.BadDescriptor,
    $"{call} failed: {descriptor} is not open (EBADF). It was closed, or never opened.");

/// <summary>epoll does not watch this kind of descriptor (EPERM): regular files and directories. They are always
/// ready: read them directly, or watch them with select or poll, which report them ready at once.</summary>
/// <param name="descriptor">The descriptor's number.</param>
public sealed class NotPollableException(int descriptor) : SystemCallException("epoll_ctl", Errno.NotPermitted,
    $"epoll cannot watch descriptor {descriptor}: it is a regular file or a directory, which is always ready (EPERM). Read it directly, or use select or poll.");
