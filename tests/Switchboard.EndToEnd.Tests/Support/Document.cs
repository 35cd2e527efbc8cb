using System.Text.RegularExpressions;

namespace Switchboard.EndToEnd.Tests;

/// <summary>A fenced block of a document.</summary>
/// <param name="Line">The number of its first line of text, from 1.</param>
/// <param name="Language">What stands behind the fence.</param>
/// <param name="Text">The text between the fences.</param>
internal sealed record CodeBlock(int Line, string Language, string Text);

/// <summary>A Markdown text, taken apart into its code and its links.</summary>
internal sealed partial class Document
{
    private Document(string name, string text, IReadOnlyList<CodeBlock> code, IReadOnlyList<(int Line, string Target)> links)
    {
        Name = name;
        Text = text;
        Code = code;
        Links = links;
    }

    /// <summary>Its path as seen from the root.</summary>
    internal string Name { get; }

    /// <summary>All of it.</summary>
    internal string Text { get; }

    internal IReadOnlyList<CodeBlock> Code { get; }

    /// <summary>Where its links lead to, as written. What only looks like a link, in code, is none.</summary>
    internal IReadOnlyList<(int Line, string Target)> Links { get; }

    /// <summary>The blocks of C#.</summary>
    internal IEnumerable<CodeBlock> CSharp => Code.Where(static block => block.Language.ToUpperInvariant() is "CSHARP" or "CS" or "C#");

    /// <summary>The documents that show how the projects are used.</summary>
    internal static IEnumerable<Document> Guides() =>
        [Read("README.md"), .. Directory.EnumerateFiles(Repository.At("docs"), "*.md").Order(StringComparer.Ordinal).Select(Repository.Name).Select(Read), .. HouseRules.Floors.Select(floor => Read($"src/{floor.Project}/README.md"))];

    internal static Document Read(string name) => Parse(name, File.ReadAllText(Repository.At(name)));

    internal static Document Parse(string name, string text)
    {
        List<CodeBlock> code = [];
        string[] lines = text.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            if (Fence().Match(lines[i]) is not { Success: true } fence)
            {
                continue;
            }
            int end = Array.FindIndex(lines, i + 1, line => line.Trim() == fence.Groups[1].Value);
            if (end < 0)
            {
                throw new InvalidDataException($"{name}({i + 1}): the block that begins here has no end. Close it with {fence.Groups[1].Value} on a line of its own.");
            }
            code.Add(new CodeBlock(i + 2, fence.Groups[2].Value, string.Join('\n', lines[(i + 1)..end]) + "\n"));
            Array.Fill(lines, "", i, end - i + 1);
            i = end;
        }
        string prose = InlineCode().Replace(string.Join('\n', lines), static span => AnyCharacter().Replace(span.Value, " "));
        return new Document(name, text, code, [.. Link().Matches(prose).Select(match => (prose.AsSpan(0, match.Index).Count('\n') + 1, match.Groups["target"].Value))]);
    }

    /// <summary>Says which of its relative links lead nowhere.</summary>
    /// <param name="root">The folder that <see cref="Name"/> begins at.</param>
    internal IEnumerable<string> BrokenLinks(string root)
    {
        foreach ((int line, string target) in Links)
        {
            string path = Uri.UnescapeDataString(target.Split('#')[0]);
            if (path.Length == 0 || Scheme().IsMatch(path))
            {
                continue;
            }
            string full = Path.GetFullPath(Path.Combine(root, Path.GetDirectoryName(Name)!, path));
            if (!full.StartsWith(root + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            {
                yield return $"{Name}({line}) links to {target}, which lies outside of the repository.";
            }
            else if (!Path.Exists(full))
            {
                yield return $"{Name}({line}) links to {target}, and there is no such file.";
            }
        }
    }

    [GeneratedRegex(@"^ {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)")]
    private static partial Regex Fence();

    // A run of backquotes up to the next run of the same length in the same paragraph.
    [GeneratedRegex(@"(?<!`)(`+)(?!`)((?!\n[ \t]*\n).)+?(?<!`)\1(?!`)", RegexOptions.Singleline)]
    private static partial Regex InlineCode();

    [GeneratedRegex(@"[^\n]")]
    private static partial Regex AnyCharacter();

    // [text](target "title"), [text](<target>) and [name]: target
    [GeneratedRegex(@"(?:\]\(\s*|^ {0,3}\[[^\]\n]+\]:[ \t]*)(?:<(?<target>[^>\n]+)>|(?<target>[^)\s<>]+))", RegexOptions.Multiline)]
    private static partial Regex Link();

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9+.-]*:")]
    private static partial Regex Scheme();
}
