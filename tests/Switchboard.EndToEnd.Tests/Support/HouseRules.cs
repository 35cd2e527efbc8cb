using System.Xml.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Switchboard.EndToEnd.Tests;

/// <summary>What the projects promise about each other. Each check takes a file's text and says what is wrong with it, a
/// sentence for each; nothing if all is well.</summary>
internal static class HouseRules
{
    /// <summary>The one project that may hold unsafe code and imports.</summary>
    internal const string SystemCalls = "Switchboard.Linux";

    /// <summary>The one project that works at compile time only: others are checked by it and never call it.</summary>
    internal const string Analyzers = "Switchboard.Analyzers";

    private const string ThisFile = "tests/Switchboard.EndToEnd.Tests/Support/HouseRules.cs";

    /// <summary>The projects of <c>src</c> from the bottom to the top, each with those that it may refer to.</summary>
    internal static IReadOnlyList<(string Project, string[] MayUse)> Floors { get; } =
    [
        (Analyzers, []),
        (SystemCalls, []),
        ("Switchboard.Polling", ["Switchboard.Linux"]),
        ("Switchboard.Workers", ["Switchboard.Linux", "Switchboard.Polling"]),
        ("Switchboard.Servers", [Analyzers, "Switchboard.Linux", "Switchboard.Polling"]),
        ("Switchboard.Hosting", ["Switchboard.Linux", "Switchboard.Polling", "Switchboard.Servers"]),
        ("Switchboard.Cli", ["Switchboard.Linux", "Switchboard.Polling", "Switchboard.Workers", "Switchboard.Servers"]),
    ];

    /// <summary>The projects and packages of this house that a project file refers to.</summary>
    internal static IEnumerable<string> ReferencesOf(string text) =>
        XDocument.Parse(text).Descendants()
            .SelectMany(static element => element.Name.LocalName switch
            {
                "ProjectReference" => Included(element).Select(static path => Path.GetFileNameWithoutExtension(path.Replace('\\', '/'))),
                "PackageReference" => Included(element).Where(static id => id.StartsWith("Switchboard.", StringComparison.OrdinalIgnoreCase)),
                _ => [],
            });

    /// <summary>Checks what a project file, or one that several projects import, refers to.</summary>
    internal static IEnumerable<string> CheckReferences(string path, string text) =>
        Path.GetExtension(path) == ".csproj"
            ? CheckReferences(path, Path.GetFileNameWithoutExtension(path), ReferencesOf(text))
            : ReferencesOf(text).Select(used => $"{path} makes every project that imports it refer to {used}. Write the reference into the projects that need it.");

    /// <summary>Checks the names that a project refers to.</summary>
    internal static IEnumerable<string> CheckReferences(string path, string project, IEnumerable<string> references)
    {
        if (Floors.FirstOrDefault(floor => floor.Project == project) is not { MayUse: { } mayUse })
        {
            return [$"{path}: {project} has no place in the house. Add it to the table in {ThisFile}, with the projects below it that it may refer to."];
        }
        return references.Except(mayUse).Select(used =>
            $"{path} refers to {used}, which does not stand below {project} (the table in {ThisFile}). Move what is needed to a project below both.");
    }

    /// <summary>Finds unsafe code and imports in a source file.</summary>
    internal static IEnumerable<string> CheckSource(string path, string text) => CheckSource(path, text, 1);

    /// <summary>Finds the switch that lets a project have unsafe code.</summary>
    internal static IEnumerable<string> CheckProjectFile(string path, string text) =>
        XDocument.Parse(text).Descendants()
            .Where(static element => element.Name.LocalName.Equals("AllowUnsafeBlocks", StringComparison.OrdinalIgnoreCase))
            .Select(element => $"{path} sets {element.Name.LocalName}. Unsafe code belongs into {SystemCalls}.");

    private static IEnumerable<string> CheckSource(string path, string text, int firstLine)
    {
        foreach (SyntaxToken token in Compiler.Parse(text).GetRoot().DescendantTokens())
        {
            if (token.IsKind(SyntaxKind.UnsafeKeyword))
            {
                yield return Found(token.GetLocation(), "unsafe code");
            }
            else if (token.Parent is SimpleNameSyntax && token.ValueText is "LibraryImport" or "LibraryImportAttribute" or "DllImport" or "DllImportAttribute")
            {
                yield return Found(token.GetLocation(), token.ValueText);
            }
            // What #if leaves out here may be compiled elsewhere.
            foreach (SyntaxTrivia trivia in token.LeadingTrivia.Where(static trivia => trivia.IsKind(SyntaxKind.DisabledTextTrivia)))
            {
                foreach (string found in CheckSource(path, trivia.ToFullString(), LineOf(trivia.GetLocation())))
                {
                    yield return found;
                }
            }
        }

        int LineOf(Location location) => firstLine + location.GetLineSpan().StartLinePosition.Line;

        string Found(Location location, string what) => $"{path}({LineOf(location)}) has {what}, which belongs into {SystemCalls}.";
    }

    private static string[] Included(XElement element) =>
        ((string?)element.Attribute("Include") ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
