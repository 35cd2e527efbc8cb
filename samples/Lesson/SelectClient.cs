using System.Net.Sockets;
using System.Text;

namespace Lesson;

/// <summary>Row 4. Sends each line that is typed, without its end, to the select server.</summary>
internal static class SelectClient
{
    public static int Run(string[] args)
    {
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        server.Connect(Port.Of(args));
        while (true)
        {
            Console.Write("please input:");
            if (Console.ReadLine() is not { } line)
            {
                return 0;
            }
            server.Send(Encoding.UTF8.GetBytes(line));
        }
    }
}
