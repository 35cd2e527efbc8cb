using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Lesson;

/// <summary>Row 1. A listener with a caller, a pipe with a byte in it, its other end and a silent socket, watched by
/// select, poll and epoll in turn.</summary>
internal static class Multiplexers
{
    public static int Run(string[] args)
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var (reader, writer) = DescriptorCalls.CreatePipe();
        using (reader)
        using (writer)
        using (SafeFileHandle file = File.OpenHandle(Environment.ProcessPath!))
        {
            Print(RawSelect.Select([listener], [], [listener], TimeSpan.FromMilliseconds(50)));
            using Socket caller = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            caller.Connect(listener.LocalEndPoint!);
            DescriptorCalls.Write(writer.Number, "!"u8);
            Print(RawSelect.Select([listener], [], [listener], timeout: null));

            foreach (Selector selector in new Selector[] { new SelectSelector(), new PollSelector(), new EpollSelector() })
            {
                using (selector)
                {
                    selector.Register(listener, Interest.Read, "listener");
                    selector.Register(caller, Interest.Read, "silent socket");
                    selector.Register(reader, Interest.Read, "pipe to read");
                    selector.Register(writer, Interest.Write, "pipe to write");
                    Console.WriteLine($"{selector.Name}: {Ready(selector)}");
                    try
                    {
                        selector.Register(file, Interest.Read, "file");
                        Console.WriteLine($"{selector.Name}, with a regular file: {Ready(selector)}");
                    }
                    catch (NotPollableException e)
                    {
                        Console.WriteLine($"{selector.Name}, with a regular file: refused with {e.Errno}");
                    }
                }
            }
        }
        using Selector best = Selector.Default();
        Console.WriteLine($"the best here: {best.Name}");
        return 0;
    }

    private static string Ready(Selector selector) =>
        string.Join(", ", selector.Select(timeout: null).Select(ready => $"{ready.Key.Data} {ready.Ready}").Order());

    private static void Print(SelectResult<Socket> ready) =>
        Console.WriteLine($"three lists: {ready.Readable.Count} readable, {ready.Writable.Count} writable, {ready.Exceptional.Count} in error");
}
