using System.Reflection;

namespace Switchboard.EndToEnd.Tests;

public sealed class HouseRulesTests
{
    private const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    [Fact]
    public void A_project_refers_only_to_those_below_it()
    {
        string[] projects = [.. Repository.Files("src", "*.csproj")];
        Assert.Equal(HouseRules.Floors.Select(floor => floor.Project).Order(), projects.Select(path => Path.GetFileNameWithoutExtension(path)).Order());
        Report(projects.Concat(Imports("src")).SelectMany(path => HouseRules.CheckReferences(Repository.Name(path), File.ReadAllText(path))));
    }

    [Fact]
    public void A_built_assembly_refers_only_to_those_below_it()
    {
        foreach ((string project, string[] mayUse) in HouseRules.Floors)
        {
            string[] used = [.. Load(project).GetReferencedAssemblies().Select(name => ProjectOf(name.Name!)).Where(name => name.StartsWith("Switchboard.", StringComparison.Ordinal))];
            Assert.True(mayUse.Length == 0 || used.Length > 0, $"The premise: {project} uses one of {string.Join(", ", mayUse)}.");
            Report(HouseRules.CheckReferences(Load(project).Location, project, used));
            Assert.DoesNotContain(HouseRules.Analyzers, used);
        }
    }

    [Fact]
    public void The_table_of_the_house_stands_on_its_feet()
    {
        List<string> below = [];
        foreach ((string project, string[] mayUse) in HouseRules.Floors)
        {
            Assert.Subset(below.ToHashSet(), mayUse.ToHashSet());
            below.Add(project);
        }
    }

    [Theory]
    [InlineData("../Switchboard.Servers/Switchboard.Servers.csproj", "Switchboard.Servers")]
    [InlineData(@"..\Switchboard.Cli\Switchboard.Cli.csproj", "Switchboard.Cli")]
    [InlineData("../Switchboard.Linux/Switchboard.Linux.csproj; ../Switchboard.Workers/Switchboard.Workers.csproj", "Switchboard.Workers")]
    [InlineData("$(MSBuildThisFileDirectory)../../samples/Hotline/Hotline.csproj", "Hotline")]
    [InlineData("../Switchboard.Polling/Switchboard.Polling.csproj", "Switchboard.Polling")]
    public void A_reference_upwards_sideways_or_to_itself_is_found(string include, string named)
    {
        string found = Assert.Single(HouseRules.CheckReferences("src/Switchboard.Polling/Switchboard.Polling.csproj", Project($"""<ProjectReference Include="{include}" />""")));
        Assert.Contains($"refers to {named}, which does not stand below Switchboard.Polling", found);
    }

    [Fact]
    public void A_reference_downwards_is_allowed_and_one_to_our_packages_is_no_way_round()
    {
        const string Down = """<ProjectReference Include="../Switchboard.Linux/Switchboard.Linux.csproj" /><PackageReference Include="System.CommandLine" />""";
        const string Up = """<PackageReference Include="Switchboard.Servers" />""";
        Assert.Empty(HouseRules.CheckReferences("Switchboard.Workers.csproj", Project(Down)));
        Assert.Contains("refers to Switchboard.Servers", Assert.Single(HouseRules.CheckReferences("Switchboard.Workers.csproj", Project(Up))));
    }

    [Fact]
    public void A_project_without_a_place_is_told_where_to_get_one()
    {
        string found = Assert.Single(HouseRules.CheckReferences("src/Switchboard.Attic/Switchboard.Attic.csproj", Project("")));
        Assert.Contains("Switchboard.Attic has no place in the house. Add it to the table in", found);
        Assert.True(File.Exists(Repository.At(found.Split("the table in ")[1].Split(',')[0])), found);
    }

    [Fact]
    public void A_reference_in_a_file_that_several_projects_import_is_found() =>
        Assert.Contains("refer to Switchboard.Linux", Assert.Single(HouseRules.CheckReferences("src/Directory.Build.props",
            Project("""<ProjectReference Include="Switchboard.Linux/Switchboard.Linux.csproj" />"""))));

    [Fact]
    public void Unsafe_code_and_imports_stand_in_one_project()
    {
        string home = Repository.At("src", HouseRules.SystemCalls) + Path.DirectorySeparatorChar;
        ILookup<bool, string> sources = Repository.Files("src", "*.cs").Concat(Repository.Files("samples", "*.cs")).ToLookup(IsHome);
        ILookup<bool, string> projects = Repository.Files("src", "*.csproj").Concat(Repository.Files("samples", "*.csproj"))
            .Concat(Imports("src")).Concat(Imports("samples")).ToLookup(IsHome);
        string[] there = [.. sources[true].SelectMany(Source)];
        Assert.Contains(there, found => found.Contains("unsafe code", StringComparison.Ordinal));
        Assert.Contains(there, found => found.Contains("LibraryImport", StringComparison.Ordinal));
        Assert.Single(projects[true].SelectMany(ProjectFile));
        Assert.True(sources[false].Count() > 50, "The premise: there are sources elsewhere.");
        Report(sources[false].SelectMany(Source).Concat(projects[false].SelectMany(ProjectFile)));

        bool IsHome(string path) => path.StartsWith(home, StringComparison.Ordinal);
        IEnumerable<string> Source(string path) => HouseRules.CheckSource(Repository.Name(path), File.ReadAllText(path));
        IEnumerable<string> ProjectFile(string path) => HouseRules.CheckProjectFile(Repository.Name(path), File.ReadAllText(path));
    }

    [Fact]
    public void One_built_assembly_imports_functions()
    {
        IEnumerable<Assembly> assemblies = HouseRules.Floors.Select(floor => Load(floor.Project)).Concat([Assembly.Load("Hotline"), Assembly.Load("Lesson"), Assembly.Load("MiniRedis")]);
        Assembly importing = Assert.Single(assemblies, assembly =>
            assembly.GetTypes().SelectMany(type => type.GetMethods(Any)).Any(method => method.Attributes.HasFlag(MethodAttributes.PinvokeImpl)));
        Assert.Equal(HouseRules.SystemCalls, importing.GetName().Name);
    }

    [Theory]
    [InlineData("class C { unsafe void M() { } }", 1, "unsafe code")]
    [InlineData("class C\n{\n    void M() { unsafe { } }\n}", 3, "unsafe code")]
    [InlineData("unsafe struct S { fixed int a[2]; }", 1, "unsafe code")]
    [InlineData("using unsafe P = int*;", 1, "unsafe code")]
    [InlineData("#if SPEED\n\nunsafe class C;\n#endif\n", 3, "unsafe code")]
    [InlineData("#if A\nclass B;\n#if C\nunsafe class D;\n#endif\n#endif\n", 4, "unsafe code")]
    [InlineData("partial class C {\n[LibraryImport(\"libc\")] static partial int getpid(); }", 2, "LibraryImport")]
    [InlineData("class C { [System.Runtime.InteropServices.DllImport(\"libc\")] static extern int getpid(); }", 1, "DllImport")]
    [InlineData("class C { [DllImportAttribute(\"libc\")] static extern int getpid(); }", 1, "DllImportAttribute")]
    [InlineData("class C { [@Dll\\u0049mport(\"libc\")] static extern int getpid(); }", 1, "DllImport")]
    [InlineData("using Far = System.Runtime.InteropServices.LibraryImportAttribute;", 1, "LibraryImportAttribute")]
    public void What_is_unsafe_is_found_with_its_line(string source, int line, string what) =>
        Assert.Equal($"a.cs({line}) has {what}, which belongs into Switchboard.Linux.", Assert.Single(HouseRules.CheckSource("a.cs", source)));

    [Theory]
    [InlineData("// unsafe, [DllImport]\nclass C;")]
    [InlineData("/// <summary>unsafe, <see cref=\"DllImportAttribute\"/></summary>\nclass C;")]
    [InlineData("class C { string s = \"unsafe [LibraryImport]\"; int @unsafe; int unsafely; }")]
    [InlineData("#if SPEED\n// unsafe\n#endif\n")]
    public void Comments_texts_and_other_names_are_not_taken_for_it(string source) => Assert.Empty(HouseRules.CheckSource("a.cs", source));

    [Theory]
    [InlineData("<AllowUnsafeBlocks>true</AllowUnsafeBlocks>")]
    [InlineData("<allowunsafeblocks Condition=\"'$(Configuration)' == 'Release'\">true</allowunsafeblocks>")]
    public void The_switch_for_unsafe_code_is_found(string property)
    {
        string found = Assert.Single(HouseRules.CheckProjectFile("a.csproj", $"<Project><PropertyGroup>{property}</PropertyGroup></Project>"));
        Assert.StartsWith("a.csproj sets ", found);
        Assert.Empty(HouseRules.CheckProjectFile("a.csproj", "<Project><!-- <AllowUnsafeBlocks>true</AllowUnsafeBlocks> --></Project>"));
    }

    // The files that projects of a folder import by themselves.
    private static IEnumerable<string> Imports(string folder) =>
        Directory.EnumerateFiles(Repository.Root).Concat(Repository.Files(folder, "*.*"))
            .Where(static path => Path.GetExtension(path) is ".props" or ".targets");

    private static Assembly Load(string project) => Assembly.Load(project == "Switchboard.Cli" ? "switchboard" : project);

    private static string ProjectOf(string assembly) => assembly == "switchboard" ? "Switchboard.Cli" : assembly;

    private static string Project(string items) => $"""<Project Sdk="Microsoft.NET.Sdk"><ItemGroup>{items}</ItemGroup></Project>""";

    private static void Report(IEnumerable<string> found)
    {
        string[] sentences = [.. found];
        Assert.True(sentences.Length == 0, string.Join('\n', sentences));
    }
}
