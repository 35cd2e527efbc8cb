using System.IO.Compression;
using System.Xml.Linq;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

public sealed class PackTests(Packages packages) : IClassFixture<Packages>
{
    private const int Limit = 120_000;
    private const string Tool = "Switchboard.Cli";
    private const string ToolFolder = "tools/net10.0/any/";

    /// <summary>All packages: one for each project of <c>src</c> but the analyzers, which travel in another.</summary>
    public static TheoryData<string> Projects() => [.. Packed];

    /// <summary>The packages that programs refer to.</summary>
    public static TheoryData<string> Libraries() => [.. Packed.Where(project => project != Tool)];

    private static IEnumerable<string> Packed => HouseRules.Floors.Select(floor => floor.Project).Where(project => project != HouseRules.Analyzers);

    [Fact]
    public void Each_project_of_src_becomes_a_package_and_no_other_does() =>
        Assert.Equal(Packed.Select(project => $"{project}.{Packages.Version}.nupkg").Order(StringComparer.Ordinal), packages.Names);

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_package_says_what_it_is(string project)
    {
        using ZipArchive package = packages.Open(project);
        XElement metadata = Metadata(package, project);
        Assert.Equal(project, Value(metadata, "id"));
        Assert.Equal(Packages.Version, Value(metadata, "version"));
        Assert.Equal("MIT", Value(metadata, "license"));
        Assert.Equal("expression", (string?)Child(metadata, "license")!.Attribute("type"));
        Assert.Equal("The Switchboard developers", Value(metadata, "authors"));
        Assert.Matches(@"^[A-Z].{40,}\.$", Value(metadata, "description"));
        Assert.NotEqual("Package Description", Value(metadata, "description"));
        Assert.Contains("linux", Value(metadata, "tags"));
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_package_names_no_place_where_its_sources_lie(string project)
    {
        using ZipArchive package = packages.Open(project);
        XElement metadata = Metadata(package, project);
        Assert.Null(Child(metadata, "projectUrl"));
        Assert.Null(Child(metadata, "repository")?.Attribute("url"));
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_package_shows_its_readme(string project)
    {
        using ZipArchive package = packages.Open(project);
        Assert.Equal("README.md", Value(Metadata(package, project), "readme"));
        string text = Text(package, "README.md");
        Assert.Equal(File.ReadAllText(Repository.At("src", project, "README.md")), text);
        Assert.StartsWith($"# {project}\n", text);
        Assert.True(text.Length > 300, $"src/{project}/README.md says nothing: {text}");
        Assert.DoesNotContain(Document.Parse("README.md", text).Links, link => !link.Target.Contains("://", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void A_library_depends_on_what_its_project_names_and_on_nothing_else(string project)
    {
        using ZipArchive package = packages.Open(project);
        XElement group = Assert.Single(Child(Metadata(package, project), "dependencies")!.Elements());
        Assert.Equal("net10.0", (string?)group.Attribute("targetFramework"));
        (string, string)[] dependencies = [.. group.Elements().Select(dependency => ((string)dependency.Attribute("id")!, (string)dependency.Attribute("version")!)).Order()];
        XDocument file = XDocument.Load(Repository.At("src", project, $"{project}.csproj"));
        Assert.Equal(
            HouseRules.ReferencesOf(file.ToString()).Where(id => id != HouseRules.Analyzers).Select(id => (id, Packages.Version))
                .Concat(file.Descendants("PackageReference").Select(reference => (string)reference.Attribute("Include")!).Select(id => (id, LibraryVersion(id)))).Order(),
            dependencies);
        string[] mayUse = HouseRules.Floors.Single(floor => floor.Project == project).MayUse;
        Assert.All(dependencies, dependency => Assert.True(!dependency.Item1.StartsWith("Switchboard.", StringComparison.Ordinal) || mayUse.Contains(dependency.Item1)));
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void A_library_brings_its_assembly_with_documentation_and_symbols(string project)
    {
        using ZipArchive package = packages.Open(project);
        Assert.Equal([$"lib/net10.0/{project}.dll", $"lib/net10.0/{project}.xml"], Files(package, "lib/"));
        Assert.Empty(Files(package, "tools/"));
        XDocument documentation = XDocument.Parse(Text(package, $"lib/net10.0/{project}.xml"));
        Assert.Equal(project, documentation.Descendants("assembly").Single().Value);
        Assert.True(documentation.Descendants("member").Count() > 10, "The documentation of the members is missing.");
        using ZipArchive symbols = packages.Open(project, "snupkg");
        Assert.Equal([$"lib/net10.0/{project}.pdb"], Files(symbols, "lib/"));
    }

    [Fact]
    public void The_servers_bring_the_analyzers()
    {
        using ZipArchive package = packages.Open("Switchboard.Servers");
        Assert.Equal(["analyzers/dotnet/cs/Switchboard.Analyzers.dll"], Files(package, "analyzers/"));
    }

    [Fact(Timeout = Limit)]
    public async Task The_tool_is_a_tool_and_runs_from_its_package()
    {
        using var folder = new TemporaryFolder();
        using (ZipArchive package = packages.Open(Tool))
        {
            XElement metadata = Metadata(package, Tool);
            Assert.Equal("DotnetTool", (string?)Assert.Single(Child(metadata, "packageTypes")!.Elements()).Attribute("name"));
            Assert.Null(Child(metadata, "dependencies"));
            Assert.Empty(Files(package, "lib/"));
            XElement command = Assert.Single(XDocument.Parse(Text(package, ToolFolder + "DotnetToolSettings.xml")).Descendants("Command"));
            Assert.Equal("switchboard", (string?)command.Attribute("Name"));
            Assert.Equal("switchboard.dll", (string?)command.Attribute("EntryPoint"));
            Assert.Equal("dotnet", (string?)command.Attribute("Runner"));
            package.ExtractToDirectory(folder.Root);
        }
        using ChildProgram tool = ChildProgram.Start(ChildProgram.DotNet, "exec", folder[ToolFolder + "switchboard.dll"], "serve", "echo", "--bind", "127.0.0.1:0");
        string line = await tool.WaitForLineAsync("listening on ");
        using Caller caller = await Caller.ConnectAsync(System.Net.IPEndPoint.Parse(line["listening on ".Length..]));
        await caller.SendAsync("hello");
        await caller.ExpectAsync("hello");
    }

    // What users get with a library: packages for tests, benchmarks and analyzers are not among them.
    private static string LibraryVersion(string id) =>
        (string)XDocument.Load(Repository.At("Directory.Packages.props")).Descendants("ItemGroup")
            .Single(group => (string?)group.Attribute("Label") == "Libraries").Elements()
            .Single(version => (string?)version.Attribute("Include") == id).Attribute("Version")!;

    private static XElement Metadata(ZipArchive package, string project) => XDocument.Parse(Text(package, $"{project}.nuspec")).Root!.Elements().Single();

    private static XElement? Child(XElement parent, string name) => parent.Elements().SingleOrDefault(element => element.Name.LocalName == name);

    private static string Value(XElement parent, string name) => Child(parent, name)?.Value ?? "";

    private static string[] Files(ZipArchive package, string folder) =>
        [.. package.Entries.Select(entry => entry.FullName).Where(name => name.StartsWith(folder, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private static string Text(ZipArchive package, string name)
    {
        using var reader = new StreamReader((package.GetEntry(name) ?? throw new FileNotFoundException($"There is no {name} in the package.")).Open());
        return reader.ReadToEnd();
    }
}
