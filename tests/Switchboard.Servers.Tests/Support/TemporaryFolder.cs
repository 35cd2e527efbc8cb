using System.Net.Sockets;

namespace Switchboard.Servers.Tests;

/// <summary>A place for the files of Unix sockets.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("switchboard-").FullName;

    internal string File(string name) => Path.Combine(_path, name);

    internal ServerAddress Address(string name) => new(new UnixDomainSocketEndPoint(File(name)));

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
