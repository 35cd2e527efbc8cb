using System.Net.Sockets;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A server of datagrams: UDP or Unix datagram sockets; one in, any number out. Steps and hooks are those of
/// <see cref="SocketServer{TRequest}"/>.</summary>
public abstract class DatagramServer : DatagramServer<Datagram>
{
    private readonly HandlerRunner<DatagramRequestHandler, Datagram> _handlers;
    private readonly string _handlerName;

    private protected DatagramServer(ServerAddress address, HandlerSource<DatagramRequestHandler> handlers, Concurrency concurrency, ServerOptions? options, string kind)
        : base(address, concurrency, Checked(options), kind)
    {
        _handlers = new(handlers, static (handler, datagram, stop) => handler.RunAsync(datagram, stop), Left);
        _handlerName = handlers.Name;
    }

    private static ServerOptions? Checked(ServerOptions? options) => options switch
    {
        { Tls: not null } => throw new ArgumentException("ServerOptions.Tls is set, and TLS needs a connection: datagrams would go in clear. Take it out, or choose TcpServer or UnixStreamServer.", nameof(options)),
        { ProxyProtocol: not null } => throw new ArgumentException("ServerOptions.ProxyProtocol is set, and its header stands at the beginning of a connection: datagrams have none. Take it out, or choose TcpServer or UnixStreamServer.", nameof(options)),
        _ => options,
    };

    /// <summary>Makes the right server for an address.</summary>
    internal static DatagramServer On(ServerAddress address, HandlerSource<DatagramRequestHandler> handlers, Concurrency? concurrency, ServerOptions? options) => address.EndPoint is UnixDomainSocketEndPoint
        ? new UnixDatagramServer(address, handlers, concurrency, options)
        : new UdpServer(address, handlers, concurrency, options);

    /// <inheritdoc/>
    public override ServerStatistics Statistics => new(Accepted, OpenCalls, Pauses, new Dictionary<ConnectionEndReason, long>()) { Dropped = DroppedByKernel, Cut = CutCalls };

    /// <inheritdoc/>
    protected override Datagram? GetRequest() => TryReceive();

    /// <inheritdoc/>
    protected override Task FinishAsync(Datagram request, CancellationToken stop) => _handlers.RunAsync(request, stop);

    private protected override Caller CallerOf(Datagram request) => new("datagram", request.Id, request.RemoteEndPoint);

    private protected override (ConnectionEndReason? Reason, Exception? Exception) EndOf(Datagram request) => (null, request.Failure);

    private protected override string DescribeWork(object work) => BlockedWork.Describe(work)
        ?? (_handlers.NewestType is { } handler && handler != typeof(LambdaDatagramHandler) ? handler.Name : _handlerName);

    private protected override void Attach(Datagram request, EventLoop? loop)
    {
    }

    private protected override void Mark(Datagram request, ConnectionEndReason reason, Exception? exception) => request.Failure ??= exception;

    private protected override bool HasEndedItself(Datagram request) => false;

    private protected override void TellStop(Datagram request)
    {
    }

    private protected override void Cut(Datagram request)
    {
    }

    private protected override void Discard(Datagram request, ConnectionEndReason reason) => CloseRequest(request);
}
