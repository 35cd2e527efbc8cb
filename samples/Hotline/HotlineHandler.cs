using System.Text;
using Switchboard.Servers;

namespace Switchboard.Samples;

/// <summary>The 10086 hotline: greets, answers what is dialled, and ends the call at <c>exit</c>.</summary>
internal sealed class HotlineHandler : RequestHandler
{
    public const string Greeting = "欢迎致电10086,请输入1xxx,0转人工服务.";
    public const string Operator = "通过可能会被录音.balabala一大推";
    public const string Again = "请重新输入.";

    protected override async Task HandleAsync(CancellationToken stop)
    {
        await Connection.WriteAsync(Encoding.UTF8.GetBytes(Greeting), stop);
        await foreach (ReadOnlyMemory<byte> received in Connection.ReadMessagesAsync(Framing.Packet, stop))
        {
            foreach (string message in Messages(Encoding.UTF8.GetString(received.Span)))
            {
                if (message == "exit")
                {
                    return;
                }
                await Connection.WriteAsync(Encoding.UTF8.GetBytes(message == "0" ? Operator : Again), stop);
            }
        }
    }

    /// <summary>One read may bring several lines, with or without an end to the last: each is a message.</summary>
    private static IEnumerable<string> Messages(string received)
    {
        string[] lines = received.Split('\n');
        int count = lines.Length > 1 && lines[^1].Length == 0 ? lines.Length - 1 : lines.Length;
        return lines.Take(count).Select(line => line.TrimEnd('\r'));
    }
}
