using System.Runtime.InteropServices;
using Switchboard.Samples;
using Switchboard.Servers;

// The 10086 hotline, answered to any number of callers at once: dotnet run --project samples/Hotline [ADDRESS]
using var stop = new CancellationTokenSource();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);

await using var hotline = new TcpServer<HotlineHandler>(args.FirstOrDefault() ?? "127.0.0.1:8009", Concurrency.Threads());
await hotline.StartAsync();
Console.WriteLine($"listening on {hotline.LocalEndPoint}");
await hotline.ServeForeverAsync(stop.Token);

void End(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
