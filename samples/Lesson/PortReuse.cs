using System.Net;
using System.Net.Sockets;
using Switchboard.Linux;

namespace Lesson;

/// <summary>Row 5. Two options, each set before bind: address reuse lets a server start again while its old connections
/// are in TIME_WAIT, port reuse lets two sockets share a port.</summary>
internal static class PortReuse
{
    public static int Run(string[] args)
    {
        Print("restart without ReuseAddress", () => Restart(reuse: 0));
        Print("restart with ReuseAddress", () => Restart(reuse: 1));
        Print("two sockets with ReuseAddress", () => Share(SocketCallOption.ReuseAddress));
        Print("two sockets with ReusePort", () => Share(SocketCallOption.ReusePort));
        return 0;
    }

    private static void Restart(int reuse)
    {
        IPEndPoint address;
        using (DescriptorHandle listener = Listen(SocketCallOption.ReuseAddress, reuse, new IPEndPoint(IPAddress.Loopback, 0)))
        {
            address = (IPEndPoint)SocketCalls.LocalAddress(listener.Number).ToEndPoint()!;
            using DescriptorHandle client = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
            SocketCalls.Connect(client.Number, address).OrThrow("connect", $"{address}");
            NativeAddress peer = default;
            // The side that closes first keeps the connection in TIME_WAIT.
            new DescriptorHandle(SocketCalls.Accept(listener.Number, ref peer).OrThrow("accept4")).Dispose();
            SocketCalls.Receive(client.Number, new byte[1]).OrThrow("recv");
        }
        Listen(SocketCallOption.ReuseAddress, reuse, address).Dispose();
    }

    private static void Share(SocketCallOption option)
    {
        using DescriptorHandle first = Listen(option, 1, new IPEndPoint(IPAddress.Loopback, 0));
        Listen(option, 1, SocketCalls.LocalAddress(first.Number).ToEndPoint()!).Dispose();
    }

    private static DescriptorHandle Listen(SocketCallOption option, int value, EndPoint address)
    {
        DescriptorHandle listener = SocketCalls.Create(AddressFamily.InterNetwork, SocketType.Stream);
        try
        {
            SocketCalls.SetOption(listener.Number, option, value).OrThrow("setsockopt");
            SocketCalls.Bind(listener.Number, address);
            SocketCalls.Listen(listener.Number, 5);
            return listener;
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    private static void Print(string what, Action bind)
    {
        try
        {
            bind();
            Console.WriteLine($"{what}: both bound");
        }
        catch (AddressInUseException e)
        {
            Console.WriteLine($"{what}: address already in use ({e.Message})");
        }
    }
}
