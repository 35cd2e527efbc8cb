using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Switchboard.Servers;

/// <summary>A server could not be reached: nobody listens, there is no way to it, it did not answer in time, its name is not
/// known, the two did not agree on TLS, or this process has no descriptor left. The message says which; <see cref="Exception.InnerException"/> has the
/// error of the system, where it said one.</summary>
public sealed class ConnectFailedException : IOException
{
    /// <summary>Says why a server could not be reached.</summary>
    /// <param name="address">Whom.</param>
    /// <param name="message">A sentence: what happened, and what to do.</param>
    /// <param name="inner">The error behind it.</param>
    public ConnectFailedException(ServerAddress address, string message, Exception? inner = null)
        : base(message, inner) => Address = address;

    /// <summary>Who was to be reached.</summary>
    public ServerAddress Address { get; }

    /// <summary>The error of the attempt at one address.</summary>
    internal static ConnectFailedException Of(EndPoint address, SystemCallException error)
    {
        string name = ServerAddress.Describe(address);
        bool isUnix = address is UnixDomainSocketEndPoint;
        return new(address, error.Errno switch
        {
            Errno.ConnectionRefused => $"{name} refused the connection: nobody listens there (ECONNREFUSED). Start the server, or look at the address.",
            Errno.NoEntry when isUnix => $"There is no socket at {name} (ENOENT). Start the server, or look at the path.",
            Errno.NotDirectory or Errno.AccessDenied when isUnix => $"{name} can't be opened: {error.Message} Whoever connects must be allowed to write to the file, and to enter its directory.",
            Errno.TimedOut => $"{name} did not answer (ETIMEDOUT): the kernel has given up. Look at the address, and at what stands between.",
            Errno.HostUnreachable or Errno.NetworkUnreachable or Errno.HostDown or Errno.NetworkDown => $"There is no way to {name}: {error.Message} Look at the address, and at this machine's routes.",
            Errno.ProcessDescriptorLimit => $"There is no descriptor for a connection to {name}: this process has as many as it may (EMFILE). Close some, or raise its limit (ulimit -n).",
            Errno.SystemDescriptorLimit => $"There is no descriptor for a connection to {name}: the system is out of open files (ENFILE). Close some, or raise fs.file-max.",
            Errno.AddressNotAvailable or Errno.AddressInUse => $"The connection to {name} gets no address of its own: {error.Message} Look at ClientOptions.From; without it, all local ports may be in use.",
            _ => $"{name} can't be reached: {error.Message}",
        }, error);
    }

    internal static ConnectFailedException TooLong(ServerAddress address, TimeSpan limit) =>
        new(address, $"{address} did not answer within {limit}, which is ClientOptions.ConnectTimeout.", new TimeoutException());

    internal static ConnectFailedException NotSecured(ServerAddress address, ConnectionEndedException error) =>
        new(address, $"{address} was reached, but not over TLS: {error.Message} Look at ClientOptions.Tls, and at what the server speaks.", error);

    internal static ConnectFailedException Unknown(DnsEndPoint name, SocketException error) =>
        new(name, $"The address of {name.Host} could not be found: {error.Message}. Look at the name, and at this machine's name service.", error);

    internal static ConnectFailedException NoneFits(ServerAddress address, ServerAddress from) =>
        new(address, $"{address} has no address of the family of {from}, which is ClientOptions.From.");

    /// <summary>The one error, or all of them in one sentence each.</summary>
    internal static Exception All(ServerAddress address, IReadOnlyList<Exception> failures) => failures is [var only]
        ? only
        : new ConnectFailedException(address, $"None of the {failures.Count} addresses of {address} could be reached. {string.Join(' ', failures.Select(failure => failure.Message))}", new AggregateException(failures));
}
