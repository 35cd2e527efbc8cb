using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>A program of a document, compiled into a folder of its own with all that it needs to run.</summary>
internal sealed class CompiledProgram : IDisposable
{
    private const string Name = "Program";

    private readonly TemporaryFolder _folder = new();

    internal CompiledProgram(string source)
    {
        try
        {
            string errors = string.Join('\n', Compiler.Compile(_folder[Name + ".dll"], source));
            Assert.True(errors.Length == 0, errors);
            foreach (string library in Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll").Where(IsLibrary))
            {
                File.Copy(library, _folder[Path.GetFileName(library)]);
            }
            // Any program's that was built beside the tests: it names the framework.
            File.Copy(Path.Combine(AppContext.BaseDirectory, "switchboard.runtimeconfig.json"), _folder[Name + ".runtimeconfig.json"]);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Starts it, with signals as a terminal's shell sets them.</summary>
    internal ChildProgram Start() => ChildProgram.Start("env", "--default-signal=INT,TERM", ChildProgram.DotNet, "exec", _folder[Name + ".dll"]);

    public void Dispose() => _folder.Dispose();

    private static bool IsLibrary(string path) =>
        Path.GetFileName(path) is string file
        && !file.Contains(".Tests.", StringComparison.Ordinal)
        && (file.StartsWith("Switchboard.", StringComparison.Ordinal) || file.StartsWith("Microsoft.Extensions.", StringComparison.Ordinal) || file.StartsWith("System.", StringComparison.Ordinal));
}
