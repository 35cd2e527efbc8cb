using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Switchboard.EndToEnd.Tests;

/// <summary>Compiles C# against this project's assemblies and the base library, as a project with implicit usings does.</summary>
internal static class Compiler
{
    private const string ImplicitUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private static readonly CSharpParseOptions _parseOptions = new(LanguageVersion.Latest);

    private static readonly MetadataReference[] _references =
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(static path => !Path.GetFileName(path).Contains(".Tests.", StringComparison.Ordinal))
            .Select(static path => MetadataReference.CreateFromFile(path))];

    /// <summary>Parses a text as a file of a project.</summary>
    internal static SyntaxTree Parse(string text, string path = "") => CSharpSyntaxTree.ParseText(text, _parseOptions, path);

    /// <summary>Writes an assembly.</summary>
    /// <param name="path">Where to; null to compile only.</param>
    /// <param name="source">The source.</param>
    /// <param name="references">Paths of further assemblies.</param>
    /// <returns>The errors, none if it compiled.</returns>
    internal static ImmutableArray<Diagnostic> Compile(string? path, string source, params string[] references)
    {
        SyntaxTree tree = Parse(source, "source.cs");
        bool isProgram = tree.GetCompilationUnitRoot().Members.Any(static member => member is Microsoft.CodeAnalysis.CSharp.Syntax.GlobalStatementSyntax);
        var compilation = CSharpCompilation.Create(
            path is null ? "Snippet" : Path.GetFileNameWithoutExtension(path),
            [Parse(ImplicitUsings), tree],
            [.. _references, .. references.Select(static reference => MetadataReference.CreateFromFile(reference))],
            new CSharpCompilationOptions(isProgram ? OutputKind.ConsoleApplication : OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));
        using Stream assembly = path is null ? new MemoryStream() : File.Create(path);
        return [.. compilation.Emit(assembly).Diagnostics.Where(static diagnostic => diagnostic.Severity == DiagnosticSeverity.Error)];
    }
}
