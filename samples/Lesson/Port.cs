using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Lesson;

/// <summary>The port that a lesson's server listens on and its client calls: the first argument, 8009 without one.</summary>
internal static class Port
{
    public static IPEndPoint Of(string[] args) =>
        new(IPAddress.Loopback, args is [string port, ..] ? int.Parse(port) : 8009);

    public static Socket Listen(string[] args)
    {
        DescriptorHandle handle = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
        SocketCalls.SetOption(handle.Number, SocketCallOption.ReuseAddress, 1);
        SocketCalls.Bind(handle.Number, Of(args));
        SocketCalls.Listen(handle.Number, 1024);
        Socket listener = new(new SafeSocketHandle(handle.Number, ownsHandle: true)) { Blocking = false };
        handle.SetHandleAsInvalid();
        Console.WriteLine($"listening on {listener.LocalEndPoint}");
        return listener;
    }
}
