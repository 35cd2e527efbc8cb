using System.Runtime.InteropServices;
using Switchboard.Bench.Suites;

namespace Switchboard.Bench;

/// <summary>What the user starts: a suite by its name.</summary>
internal static class CommandLine
{
    private const int Failed = 1;
    private const int Interrupted = 130;

    internal static async Task<int> RunAsync(string[] arguments)
    {
        using CancellationTokenSource stop = new();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        try
        {
            BenchOptions options = BenchOptions.Parse(arguments);
            if (options.Suite is null)
            {
                ListSuites();
                return 0;
            }
            Suite suite = Suite.All.FirstOrDefault(suite => suite.Name == options.Suite)
                ?? throw new BenchException($"There is no suite '{options.Suite}'; there are {string.Join(", ", Suite.All.Select(suite => suite.Name))}.");
            await suite.RunAsync(options, stop.Token);
            return 0;
        }
        catch (OperationCanceledException)
        {
            return Interrupted;
        }
        // A signal from the terminal ends the children too, so their ends are no failures then.
        catch (Exception exception) when (exception is BenchException or IOException)
        {
            Console.Error.WriteLine(stop.IsCancellationRequested ? "Interrupted." : exception.Message);
            return stop.IsCancellationRequested ? Interrupted : Failed;
        }

        void End(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
    }

    private static void ListSuites()
    {
        Console.Error.WriteLine("usage: Switchboard.Bench SUITE [options]\n\nSuites:");
        foreach (Suite suite in Suite.All)
        {
            Console.Error.WriteLine($"  {suite.Name,-13}{suite.Summary}");
        }
        Console.Error.WriteLine($"\n{BenchOptions.Help}");
    }
}
