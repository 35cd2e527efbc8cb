namespace Switchboard.Linux;

/// <summary>
/// The error numbers of Linux that this library tells apart, by their names in <c>errno(3)</c>. A number without a
/// name here is passed on as it is. The values are those of x64 and arm64.
/// </summary>
public enum Errno
{
    /// <summary>No error.</summary>
    None = 0,
    /// <summary>EPERM: the operation is not permitted; from <c>epoll_ctl(2)</c>, the descriptor does not support epoll.</summary>
    NotPermitted = 1,
    /// <summary>ENOENT: no such file; from <c>epoll_ctl(2)</c>, the descriptor is not registered.</summary>
    NoEntry = 2,
    /// <summary>EINTR: a signal handler ran during the call.</summary>
    Interrupted = 4,
    /// <summary>EBADF: the number is not an open descriptor.</summary>
    BadDescriptor = 9,
    /// <summary>EAGAIN, which is EWOULDBLOCK: nothing can be done now without waiting.</summary>
    Again = 11,
    /// <summary>ENOMEM: the kernel has no memory for it.</summary>
    NoMemory = 12,
    /// <summary>EACCES: permission denied.</summary>
    AccessDenied = 13,
    /// <summary>EFAULT: a bad address was handed to the kernel.</summary>
    Fault = 14,
    /// <summary>EEXIST: it exists already; from <c>epoll_ctl(2)</c>, the descriptor is registered already.</summary>
    Exists = 17,
    /// <summary>ENOTDIR: a part of the path is not a directory.</summary>
    NotDirectory = 20,
    /// <summary>EINVAL: an argument, or the state of the object, is not valid for the call.</summary>
    InvalidArgument = 22,
    /// <summary>ENFILE: the system is out of open files.</summary>
    SystemDescriptorLimit = 23,
    /// <summary>EMFILE: the process is out of descriptors (RLIMIT_NOFILE).</summary>
    ProcessDescriptorLimit = 24,
    /// <summary>ENOSPC: no space left; from <c>epoll_ctl(2)</c>, the limit of watches is reached.</summary>
    NoSpace = 28,
    /// <summary>EPIPE: the other end is closed.</summary>
    BrokenPipe = 32,
    /// <summary>ENOSYS: this kernel does not have the call.</summary>
    NotImplemented = 38,
    /// <summary>ENONET: the machine is not on the network.</summary>
    NoNetwork = 64,
    /// <summary>EPROTO: a protocol error.</summary>
    Protocol = 71,
    /// <summary>ENOTSOCK: the descriptor is not a socket.</summary>
    NotSocket = 88,
    /// <summary>EDESTADDRREQ: no destination address was given.</summary>
    DestinationRequired = 89,
    /// <summary>EMSGSIZE: the datagram is too long for the socket or the way.</summary>
    MessageSize = 90,
    /// <summary>ENOPROTOOPT: the option is not known at that level.</summary>
    NoProtocolOption = 92,
    /// <summary>EOPNOTSUPP: the operation is not supported on this kind of socket.</summary>
    NotSupported = 95,
    /// <summary>EAFNOSUPPORT: the address family is not supported.</summary>
    AddressFamilyNotSupported = 97,
    /// <summary>EADDRINUSE: the address is in use.</summary>
    AddressInUse = 98,
    /// <summary>EADDRNOTAVAIL: the address is not one of this machine's.</summary>
    AddressNotAvailable = 99,
    /// <summary>ENETDOWN: the network is down.</summary>
    NetworkDown = 100,
    /// <summary>ENETUNREACH: the network cannot be reached.</summary>
    NetworkUnreachable = 101,
    /// <summary>ECONNABORTED: the peer gave up before the connection was accepted.</summary>
    ConnectionAborted = 103,
    /// <summary>ECONNRESET: the peer reset the connection.</summary>
    ConnectionReset = 104,
    /// <summary>ENOBUFS: the kernel has no buffer for it.</summary>
    NoBuffers = 105,
    /// <summary>ENOTCONN: the socket is not connected.</summary>
    NotConnected = 107,
    /// <summary>ETIMEDOUT: the peer did not answer in time.</summary>
    TimedOut = 110,
    /// <summary>ECONNREFUSED: nobody listens there.</summary>
    ConnectionRefused = 111,
    /// <summary>EHOSTDOWN: the host is down.</summary>
    HostDown = 112,
    /// <summary>EHOSTUNREACH: the host cannot be reached.</summary>
    HostUnreachable = 113,
    /// <summary>EINPROGRESS: the connection is being made.</summary>
    InProgress = 115,
}
