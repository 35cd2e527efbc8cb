namespace Switchboard.EndToEnd.Tests;

/// <summary>A fresh folder, deleted with all that is in it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("switchboard-");

    /// <summary>Its path.</summary>
    internal string Root => _folder.FullName;

    /// <summary>The path of a file in it.</summary>
    internal string this[string name] => Path.Combine(_folder.FullName, name);

    public void Dispose() => _folder.Delete(recursive: true);
}
