using System.Net.Sockets;
using Switchboard.Polling;

namespace Lesson;

/// <summary>Row 3. One thread, one list of sockets: the listener and all clients. A silent client holds nobody up; a
/// handler that took its time would hold up everybody, which is the limit of this way.</summary>
internal static class SelectServer
{
    public static int Run(string[] args)
    {
        using Socket listener = Port.Listen(args);
        List<Socket> inputs = [listener];
        using Stream output = Console.OpenStandardOutput();
        byte[] data = new byte[1024];
        while (true)
        {
            foreach (Socket ready in RawSelect.Select(inputs, [], [], timeout: null).Readable)
            {
                if (ready == listener)
                {
                    Socket client = listener.Accept();
                    client.Blocking = false;
                    inputs.Add(client);
                    output.Write("accept\n"u8);
                    continue;
                }
                int count = Receive(ready, data);
                if (count > 0)
                {
                    output.Write([.. "received data: "u8, .. data.AsSpan(0, count), (byte)'\n']);
                }
                else
                {
                    inputs.Remove(ready);
                    ready.Dispose();
                }
            }
        }
    }

    private static int Receive(Socket client, byte[] data)
    {
        try
        {
            return client.Receive(data);
        }
        catch (SocketException)
        {
            // Reset instead of closed: gone all the same.
            return 0;
        }
    }
}
