using System.Reflection;
using Switchboard.Samples;
using Switchboard.Samples.MiniRedis;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>The handler that is served: null for each kind that it is not.</summary>
/// <param name="Make">Makes one that awaits.</param>
/// <param name="MakeBlocking">Makes one that blocks its thread.</param>
/// <param name="MakeDatagram">Makes one for a datagram.</param>
/// <param name="MakeSession">Makes one for all datagrams of a peer.</param>
internal sealed record HandlerChoice(
    Func<RequestHandler>? Make, Func<BlockingRequestHandler>? MakeBlocking, Func<DatagramRequestHandler>? MakeDatagram = null, Func<DatagramSessionHandler>? MakeSession = null)
{
    private static readonly Dictionary<string, Func<HandlerChoice>> _samples = new(StringComparer.Ordinal)
    {
        ["echo"] = static () => new(static () => new EchoHandler(), null, static () => new DatagramEchoHandler()),
        ["hotline"] = static () => new(static () => new HotlineHandler(), null),
        ["miniredis"] = MiniRedis,
    };

    internal static string SampleNames => string.Join(", ", [.. _samples.Keys, GatewayPlan.Name]);

    /// <summary>Finds what the command line names: a sample, or ASSEMBLY[:HANDLER].</summary>
    /// <exception cref="UnusableException">It can't be found or served.</exception>
    internal static HandlerChoice Of(string what)
    {
        if (_samples.TryGetValue(what, out Func<HandlerChoice>? sample))
        {
            return sample();
        }
        (string path, string? name) = (what, null);
        int colon = what.LastIndexOf(':');
        if (!File.Exists(what) && colon >= 0)
        {
            (path, name) = (what[..colon], what[(colon + 1)..]);
        }
        if (!File.Exists(path))
        {
            throw new UnusableException($"'{what}' is not a sample ({SampleNames}), and there is no assembly {Path.GetFullPath(path)}. Name a sample, or give the path of a .dll, with :HANDLER after it where it has several handlers.");
        }
        return Of(new HandlerAssembly(Path.GetFullPath(path)).Find(name));
    }

    /// <exception cref="UnusableException">The handler is not for this kind of address.</exception>
    internal SocketServer Serve(string what, EndpointAddress where, Concurrency concurrency, ServerOptions options)
    {
        ServerAddress address = where.Address;
        bool isUnix = address.EndPoint is System.Net.Sockets.UnixDomainSocketEndPoint;
        if (where.IsDatagram)
        {
            return MakeDatagram is not null ? new UdpServer(address, MakeDatagram, concurrency, options)
                : MakeSession is not null ? new UdpSessionServer(address, MakeSession, concurrency, options)
                : throw new UnusableException($"{what} serves connections, not datagrams, so it can't be bound to udp:{address}.");
        }
        return (isUnix, Make, MakeBlocking) switch
        {
            (true, not null, _) => new UnixStreamServer(address, Make, concurrency, options),
            (true, null, not null) => new UnixStreamServer(address, MakeBlocking, concurrency, options),
            (false, not null, _) => new TcpServer(address, Make, concurrency, options),
            (false, null, not null) => new TcpServer(address, MakeBlocking, concurrency, options),
            _ => throw new UnusableException($"{what} serves datagrams, not connections. Bind it to udp:{address}."),
        };
    }

    private static HandlerChoice MiniRedis()
    {
        // All callers share it, for as long as the tool runs.
        var store = new Store(TimeProvider.System);
        return new(() => new MiniRedisHandler(store), null);
    }

    private static HandlerChoice Of(Type type)
    {
        object New() => Activator.CreateInstance(type, BindingFlags.Public | BindingFlags.Instance | BindingFlags.DoNotWrapExceptions, null, null, null)!;
        return typeof(BlockingRequestHandler).IsAssignableFrom(type) ? new(null, () => (BlockingRequestHandler)New())
            : typeof(DatagramRequestHandler).IsAssignableFrom(type) ? new(null, null, () => (DatagramRequestHandler)New())
            : typeof(DatagramSessionHandler).IsAssignableFrom(type) ? new(null, null, null, () => (DatagramSessionHandler)New())
            : new(() => (RequestHandler)New(), null);
    }
}
