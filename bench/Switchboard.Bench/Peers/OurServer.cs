using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Security.Authentication;
using Switchboard.Servers;

namespace Switchboard.Bench.Peers;

/// <summary>Our server, as a user would write it. It stands among its peers so that all are seen side by side.</summary>
internal static class OurServer
{
    private const int BufferSize = 16 * 1024;

    internal static Task<int> StartEventLoopAsync() => StartAsync(new TcpServer(Address, () => new Echo(), Concurrency.EventLoop(), Options));

    /// <summary>All limits on, those included that are off by default, and somebody who listens to all that is measured.</summary>
    internal static Task<int> StartEventLoopWatchedAsync()
    {
        Listener.Start();
        return StartAsync(new TcpServer(Address, () => new Echo(), Concurrency.EventLoop(), Options with
        {
            Limits = ConnectionLimits.Default with { Call = TimeSpan.FromHours(1) },
            Callers = CallerLimits.Default with { ConnectionsPerAddress = ServerVerb.MostCallers, AcceptsPerSecond = ServerVerb.MostCallers },
        }));
    }

    /// <summary>No limit that can be switched off, and nobody who listens.</summary>
    internal static Task<int> StartEventLoopPlainAsync() => StartAsync(new TcpServer(Address, () => new Echo(), Concurrency.EventLoop(), Options with
    {
        Limits = ConnectionLimits.Default with { FirstByte = Timeout.InfiniteTimeSpan, Idle = Timeout.InfiniteTimeSpan, WriteStall = Timeout.InfiniteTimeSpan },
        Callers = CallerLimits.None,
    }));

    internal static Task<int> StartTasksAsync() => StartAsync(new TcpServer(Address, () => new Echo(), Concurrency.Tasks(), Options));

    internal static Task<int> StartThreadsAsync() => StartAsync(new TcpServer(Address, EchoAsync, Concurrency.Threads(ServerVerb.MostCallers), Options));

    internal static Task<int> StartThreadsBlockingAsync() => StartAsync(new TcpServer(Address, () => new BlockingEcho(), Concurrency.Threads(ServerVerb.MostCallers), Options));

    /// <summary>Over TLS, under any model.</summary>
    internal static Task<int> StartTlsAsync(Concurrency concurrency) =>
        StartAsync(new TcpServer(Address, () => new Echo(), concurrency, Options with
        {
            Tls = new TlsOptions { Certificates = [TlsCertificate.From(TlsServers.MakeCertificate())], Protocols = SslProtocols.Tls13 },
        }));

    private static ServerAddress Address => "127.0.0.1:0";

    private static ServerOptions Options => new() { Backlog = ServerVerb.Backlog };

    /// <summary>What an exporter does, ten times as often as one would.</summary>
    private static class Listener
    {
        private static readonly MeterListener _meters = new();
        private static readonly Timer _timer = new(static _ => _meters.RecordObservableInstruments());

        internal static void Start()
        {
            _meters.InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == ServerTelemetry.MeterName)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _meters.SetMeasurementEventCallback<long>(static (_, _, _, _) => { });
            _meters.SetMeasurementEventCallback<double>(static (_, _, _, _) => { });
            _meters.Start();
            ActivitySource.AddActivityListener(new ActivityListener
            {
                ShouldListenTo = static source => source.Name == ServerTelemetry.ActivitySourceName,
                Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            });
            _timer.Change(TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(100));
        }
    }

    private static async Task<int> StartAsync(TcpServer server)
    {
        await server.StartAsync();
        return ((IPEndPoint)server.LocalEndPoint!).Port;
    }

    private static async Task EchoAsync(Connection connection, CancellationToken stop)
    {
        byte[] buffer = new byte[BufferSize];
        int count;
        while ((count = await connection.ReadAsync(buffer, stop)) > 0)
        {
            await connection.WriteAsync(buffer.AsMemory(0, count), stop);
        }
    }

    /// <summary>Holds no buffer while it waits.</summary>
    private sealed class Echo : RequestHandler
    {
        protected override async Task HandleAsync(CancellationToken stop)
        {
            await foreach (ReadOnlyMemory<byte> message in Connection.ReadMessagesAsync(Framing.Packet, stop))
            {
                await Connection.WriteAsync(message, stop);
            }
        }
    }

    private sealed class BlockingEcho : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop)
        {
            byte[] buffer = new byte[BufferSize];
            int count;
            while ((count = Connection.Read(buffer)) > 0)
            {
                Connection.Write(buffer.AsSpan(0, count));
            }
        }
    }
}
