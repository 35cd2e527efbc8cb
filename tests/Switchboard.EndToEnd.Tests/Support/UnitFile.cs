namespace Switchboard.EndToEnd.Tests;

/// <summary>A unit file of systemd, as <c>systemd.syntax(7)</c> has it: sections of assignments, of which some stand more than once.</summary>
internal sealed class UnitFile
{
    private readonly List<(string Section, string Key, string Value)> _assignments = [];

    private UnitFile(string path) => Path = path;

    internal string Path { get; }

    internal string Name => System.IO.Path.GetFileName(Path);

    internal static UnitFile Read(string path)
    {
        var unit = new UnitFile(path);
        string section = "";
        foreach (string line in File.ReadLines(path).Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] is not ('#' or ';')))
        {
            if (line is ['[', .. var name, ']'])
            {
                section = name;
                continue;
            }
            string[] parts = line.Split('=', 2);
            Assert.True(parts.Length == 2 && section.Length > 0, $"{unit.Name} has a line that is no assignment in a section: {line}");
            unit._assignments.Add((section, parts[0], parts[1]));
        }
        return unit;
    }

    /// <summary>All values of a key.</summary>
    internal string[] All(string section, string key) => [.. _assignments.Where(one => one.Section == section && one.Key == key).Select(one => one.Value)];

    /// <summary>The words of a key that is a list.</summary>
    internal string[] Words(string section, string key) => [.. All(section, key).SelectMany(value => value.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
}
