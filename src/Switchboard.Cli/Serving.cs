using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Serves until a signal, or the control socket, says to end.</summary>
internal static class Serving
{
    internal static async Task<int> RunAsync(ServePlan plan, TextWriter output, TextWriter error)
    {
        LogLevel level = Enum.Parse<LogLevel>(plan.Effective("log-level")!, ignoreCase: true);
        using var loggers = new LineLogger(error, level, TimeProvider.System);
        TimeSpan grace = Values.Time(plan.Effective("grace")!);
        var handlers = new Dictionary<string, HandlerChoice>(StringComparer.Ordinal);
        var models = new Dictionary<string, Concurrency>(StringComparer.Ordinal);
        var servers = new List<SocketServer>();
        foreach (EndpointPlan endpoint in plan.Endpoints)
        {
            if (!handlers.TryGetValue(endpoint.Handler, out HandlerChoice? handler))
            {
                handlers[endpoint.Handler] = handler = HandlerChoice.Of(endpoint.Handler);
            }
            servers.Add(handler.Serve(endpoint.Handler, EndpointAddress.Parse(endpoint.Bind), endpoint.Concurrency(models), endpoint.Options(grace, loggers)));
        }
        await using var group = new ServerGroup(servers);

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

        try
        {
            await group.StartAsync();
        }
        catch (ServerGroupException exception) when (servers.Count == 1)
        {
            // With one endpoint there is no question which one it was.
            throw new CommandException(exception.InnerException!.Message, exception);
        }
        // It may tell of nothing but a stranger: who calls it is no news.
        using var quiet = new LineLogger(error, level > LogLevel.Warning ? level : LogLevel.Warning, TimeProvider.System);
        var commands = new ControlCommands(plan, group, stop.Cancel);
        await using ControlServer? control = await ControlSocket.StartAsync(plan, commands.Table, quiet);
        foreach (SocketServer server in servers)
        {
            await output.WriteLineAsync($"listening on {EndpointAddress.Describe(server)}");
        }
        await output.FlushAsync();
        await group.ServeForeverAsync(stop.Token);
        return 0;
    }
}
