namespace Switchboard.EndToEnd.Tests;

public sealed class DocumentLinksTests
{
    [Fact]
    public void Every_relative_link_leads_to_a_file()
    {
        Document[] documents = [.. Document.Guides(), Document.Read("CONTRIBUTING.md"), Document.Read("CHANGELOG.md"), Document.Read("tests/conformance.md")];
        Assert.True(documents.Sum(document => document.Links.Count) > 10, "The premise: there are links.");
        string[] broken = [.. documents.SelectMany(document => document.BrokenLinks(Repository.Root))];
        Assert.True(broken.Length == 0, string.Join('\n', broken));
    }

    [Fact]
    public void A_link_that_leads_nowhere_is_found_with_its_line()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["docs"]);
        File.WriteAllText(folder["README.md"], "");
        File.WriteAllText(folder["docs/two words.md"], "");
        Document document = Document.Parse("docs/a.md", """
            [up](../README.md), [`beside`](two%20words.md#heading "a title"), [here](#heading), [out](https://example.org/none.md)

            ```
            [code](none-in-code.md)
            ```

            `[code](none-in-span.md)` ``` [code](none`in-span.md) ``` [lost
            link](lost.md "a title") and ![picture](lost.png)

            | [`in`](<lost table.md>) | [case](../readme.md) |

            [outside](../../outside.md)

            [name]: lost-too.md
            """);
        Assert.Equal(
            [
                "docs/a.md(8) links to lost.md, and there is no such file.",
                "docs/a.md(8) links to lost.png, and there is no such file.",
                "docs/a.md(10) links to lost table.md, and there is no such file.",
                "docs/a.md(10) links to ../readme.md, and there is no such file.",
                "docs/a.md(12) links to ../../outside.md, which lies outside of the repository.",
                "docs/a.md(14) links to lost-too.md, and there is no such file.",
            ],
            document.BrokenLinks(folder.Root));
    }

    [Fact]
    public void A_block_without_an_end_is_said_with_its_line() =>
        Assert.Contains("a.md(2): the block that begins here has no end", Assert.Throws<InvalidDataException>(() => Document.Parse("a.md", "text\n```csharp\nint i;\n")).Message);
}
