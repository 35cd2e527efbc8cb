using System.Runtime.InteropServices;
using Switchboard.Samples.MiniRedis;
using Switchboard.Servers;

// A small Redis: dotnet run --project samples/MiniRedis [ADDRESS], then redis-cli in another terminal.
using var stop = new CancellationTokenSource();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);

using var store = new Store(TimeProvider.System);
await using var redis = new TcpServer(args.FirstOrDefault() ?? "127.0.0.1:6379", () => new MiniRedisHandler(store), Concurrency.Threads());
await redis.StartAsync();
Console.WriteLine($"listening on {redis.LocalEndPoint}");
await redis.ServeForeverAsync(stop.Token);

void End(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
