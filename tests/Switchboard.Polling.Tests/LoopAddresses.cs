using System.Net;
using System.Net.Sockets;

namespace Switchboard.Polling.Tests;

/// <summary>Addresses to bind, of each kind.</summary>
internal sealed class LoopAddresses : IDisposable
{
    internal const string IPv4 = "IPv4";
    internal const string IPv6 = "IPv6";
    internal const string Unix = "Unix";
    internal const string Abstract = "abstract";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("loop");

    /// <summary>A free address; ports are 0.</summary>
    internal EndPoint Free(string kind)
    {
        Assert.SkipWhen(kind == IPv6 && !Socket.OSSupportsIPv6, "There is no IPv6.");
        return kind switch
        {
            IPv4 => new IPEndPoint(IPAddress.Loopback, 0),
            IPv6 => new IPEndPoint(IPAddress.IPv6Loopback, 0),
            Unix => new UnixDomainSocketEndPoint(Path.Combine(_folder.FullName, Path.GetRandomFileName())),
            _ => new UnixDomainSocketEndPoint("\0" + Path.GetRandomFileName()),
        };
    }

    public void Dispose() => _folder.Delete(recursive: true);
}

internal static class OnEitherThread
{
    /// <summary>Runs an async method on the loop, or here, where every call on the loop's sockets is one from elsewhere.</summary>
    internal static Task DoAsync(this EventLoop loop, bool onLoop, Func<Task> method) => (onLoop ? loop.InvokeAsync(method) : method()).Within();
}
