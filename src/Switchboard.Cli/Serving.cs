using System.Runtime.InteropServices;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Serves until a signal says to end.</summary>
internal static class Serving
{
    internal static async Task<int> RunAsync(string what, ServerAddress address, Concurrency concurrency, ServerOptions options, TextWriter output)
    {
        await using StreamServer server = HandlerChoice.Of(what).Serve(address, concurrency, options);

        // The first signal of either kind stops in good order. A second one is left to the kernel, which ends the process.
        using var stop = new CancellationTokenSource();
        void End(PosixSignalContext signal)
        {
            if (!stop.IsCancellationRequested)
            {
                signal.Cancel = true;
                stop.Cancel();
            }
        }
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);

        await server.StartAsync();
        await output.WriteLineAsync($"listening on {ServerAddress.Describe(server.LocalEndPoint!)}");
        await output.FlushAsync();
        await server.ServeForeverAsync(stop.Token);
        return 0;
    }
}
