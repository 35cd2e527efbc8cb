using System.Diagnostics;

namespace Switchboard.Bench.Peers;

/// <summary>A peer written in C, compiled when it is first needed.</summary>
internal static class CompiledPeer
{
    private const string Compiler = "gcc";

    /// <summary>Compiles a file of <c>bench/peers</c>, beside it.</summary>
    /// <returns>The program; null if there is no compiler, which is told on standard error.</returns>
    /// <exception cref="BenchException">The compiler refused the file.</exception>
    internal static string? Build(string file)
    {
        string source = Tools.PeerFile(file);
        string program = Path.ChangeExtension(source, null);
        if (File.Exists(program) && File.GetLastWriteTimeUtc(program) >= File.GetLastWriteTimeUtc(source))
        {
            return program;
        }
        if (!Tools.IsInstalled(Compiler))
        {
            Console.Error.WriteLine($"The peer in C is left out: there is no {Compiler} on the path.");
            return null;
        }
        using Process process = Process.Start(Compiler, ["-O2", "-Wall", "-o", program, source]);
        process.WaitForExit();
        return process.ExitCode == 0 ? program : throw new BenchException($"{Compiler} could not compile {source}; what it says stands above.");
    }
}
