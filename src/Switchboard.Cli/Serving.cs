using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Switchboard.Linux;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Serves until a signal, or the control socket, says to end.</summary>
internal static class Serving
{
    internal static async Task<int> RunAsync(ServePlan plan, TextWriter output, TextWriter error)
    {
        LogLevel level = Enum.Parse<LogLevel>(plan.Effective("log-level")!, ignoreCase: true);
        using var loggers = new LineLogger(error, level, TimeProvider.System);
        if (plan.Effective("umask") is { } umask)
        {
            ProcessCalls.SetCreationMask(Values.Mode(umask));
        }
        Account? account = RunAs.Find(plan);
        var certificates = new Certificates();
        SocketServer[] servers = [.. new Endpoints(plan, certificates, loggers).MakeAll()];
        await using var group = new ServerGroup(servers);
        using var manager = ServiceManager.FromEnvironment(group);

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
        var reload = new Reload(plan, certificates, manager, loggers);
        // In a terminal it says that the terminal is gone.
        using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Console.IsInputRedirected ? reload.OnSignal : End);

        // It may tell of nothing but a stranger: who calls it is no news.
        using var quiet = new LineLogger(error, level > LogLevel.Warning ? level : LogLevel.Warning, TimeProvider.System);
        var commands = new ControlCommands(plan, group, stop.Cancel);
        try
        {
            group.Bind();
            await using ControlServer? control = await ControlSocket.BindAsync(plan, commands.Table, quiet);
            if (account is not null)
            {
                RunAs.Become(account);
            }
            await group.StartAsync();
            await (control?.StartAsync() ?? Task.CompletedTask);
            await TellAsync(servers, output);
            await manager.WhileAsync(() => group.ServeForeverAsync(stop.Token), stop.Token);
        }
        catch (ServerGroupException exception) when (servers.Length == 1)
        {
            // With one endpoint there is no question which one it was.
            throw new CommandException(exception.InnerException!.Message, exception);
        }
        return 0;
    }

    private static async Task TellAsync(SocketServer[] servers, TextWriter output)
    {
        foreach (SocketServer server in servers)
        {
            await output.WriteLineAsync($"listening on {EndpointAddress.Describe(server)}");
        }
        await output.FlushAsync();
    }

    /// <summary>Looks at all that can be looked at without serving: words, handlers, files.</summary>
    /// <exception cref="MisuseException">Something does not fit.</exception>
    /// <exception cref="UnusableException">A handler or a file can't be used.</exception>
    internal static async Task CheckAsync(ServePlan plan)
    {
        RunAs.Find(plan);
        var endpoints = new Endpoints(plan, new Certificates(), NullLoggerFactory.Instance);
        foreach (EndpointPlan endpoint in plan.Endpoints)
        {
            if (EndpointAddress.IsPassed(endpoint.Bind))
            {
                endpoints.Check(endpoint);
            }
            else
            {
                await endpoints.Make(endpoint).DisposeAsync();
            }
        }
    }
}
