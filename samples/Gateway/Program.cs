using System.Runtime.InteropServices;
using Switchboard.Samples;
using Switchboard.Servers;

// A gateway from one address to another: dotnet run --project samples/Gateway -- LISTEN TARGET [MODEL]
if (args is not [string listen, string target, .. var rest])
{
    Console.Error.WriteLine("usage: Gateway LISTEN TARGET [eventloop|threads|tasks|sequential]");
    return 2;
}
Concurrency? concurrency = rest switch
{
    [] or ["eventloop"] => Concurrency.EventLoop(),
    ["threads"] => Concurrency.Threads(),
    ["tasks"] => Concurrency.Tasks(),
    ["sequential"] => Concurrency.Sequential(),
    _ => null,
};
if (concurrency is null)
{
    Console.Error.WriteLine($"There is no model '{string.Join(' ', rest)}'. Choose eventloop, threads, tasks or sequential.");
    return 2;
}
using var stop = new CancellationTokenSource();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);

await using ServerGroup gateway = ServerGroup.Of([listen], () => new GatewayHandler(target), concurrency);
await gateway.StartAsync();
Console.WriteLine($"{ServerAddress.Describe(gateway.Servers[0].LocalEndPoint!)} leads to {target}");
await gateway.ServeForeverAsync(stop.Token);
return 0;

void End(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
