using System.Net.Sockets;
using System.Text;
using Switchboard.Polling;

namespace Lesson;

/// <summary>Row 8. What a threading server does inside: wait for callers with a selector, give each a thread.</summary>
internal static class ByHand
{
    public static int Run(string[] args)
    {
        using Socket listener = Port.Listen(args);
        using Selector selector = Selector.Default();
        selector.Register(listener, Interest.Read);
        while (true)
        {
            var ready = selector.Select(TimeSpan.FromSeconds(1));
            Console.WriteLine("looping");
            if (ready.Count > 0)
            {
                Console.WriteLine("get request");
                Socket caller = listener.Accept();
                caller.Blocking = true;
                new Thread(() => Answer(caller)) { IsBackground = false }.Start();
            }
        }
    }

    private static void Answer(Socket caller)
    {
        using (caller)
        {
            try
            {
                byte[] data = new byte[1024];
                caller.Send("欢迎致电10086,请输入1xxx,0转人工服务."u8);
                while (caller.Receive(data) is > 0 and int count)
                {
                    switch (Encoding.UTF8.GetString(data, 0, count).TrimEnd('\r', '\n'))
                    {
                        case "exit":
                            return;
                        case "0":
                            caller.Send("通过可能会被录音.balabala一大推"u8);
                            break;
                        default:
                            caller.Send("请重新输入."u8);
                            break;
                    }
                }
            }
            catch (SocketException)
            {
                // The caller reset the connection: the call is over.
            }
        }
    }
}
