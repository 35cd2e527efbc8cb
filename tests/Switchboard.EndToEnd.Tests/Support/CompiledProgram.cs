using System.Diagnostics;
using System.Reflection;
using System.Text.Json.Nodes;
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
            string[] libraries = [.. Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll").Where(IsLibrary)];
            foreach (string library in libraries)
            {
                File.Copy(library, _folder[Path.GetFileName(library)]);
            }
            File.WriteAllText(_folder[Name + ".deps.json"], Manifest([_folder[Name + ".dll"], .. libraries]));
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

    /// <summary>What a build writes beside a program: without it the framework's own assemblies win over newer ones of
    /// packages.</summary>
    private static string Manifest(IEnumerable<string> assemblies)
    {
        const string target = ".NETCoreApp,Version=v10.0";
        var runtime = new JsonObject();
        var libraries = new JsonObject();
        foreach (string path in assemblies)
        {
            AssemblyName name = AssemblyName.GetAssemblyName(path);
            string library = $"{name.Name}/{name.Version}";
            runtime[library] = new JsonObject
            {
                ["runtime"] = new JsonObject
                {
                    [Path.GetFileName(path)] = new JsonObject
                    {
                        ["assemblyVersion"] = $"{name.Version}",
                        ["fileVersion"] = FileVersionInfo.GetVersionInfo(path).FileVersion,
                    },
                },
            };
            libraries[library] = new JsonObject { ["type"] = "reference", ["serviceable"] = false, ["sha512"] = "" };
        }
        return new JsonObject
        {
            ["runtimeTarget"] = new JsonObject { ["name"] = target },
            ["targets"] = new JsonObject { [target] = runtime },
            ["libraries"] = libraries,
        }.ToJsonString();
    }

    private static bool IsLibrary(string path) =>
        Path.GetFileName(path) is string file
        && !file.Contains(".Tests.", StringComparison.Ordinal)
        && (file.StartsWith("Switchboard.", StringComparison.Ordinal) || file.StartsWith("Microsoft.Extensions.", StringComparison.Ordinal) || file.StartsWith("System.", StringComparison.Ordinal));
}
