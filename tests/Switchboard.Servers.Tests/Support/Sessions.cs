using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Switchboard.Polling;

namespace Switchboard.Servers.Tests;

/// <summary>Servers of sessions, and what their tests say to them.</summary>
internal static class Sessions
{
    /// <summary>Those that can have sessions.</summary>
    public static TheoryData<Model> Models => [Model.Threads, Model.OneLoop, Model.ThreeLoops, Model.Tasks];

    internal static UdpSessionServer Serve(Model model, Func<DatagramSession, CancellationToken, Task> handler, DatagramSessionOptions? sessions = null, RecordingLog? log = null, ListenerOptions? socket = null) =>
        new("127.0.0.1:0", handler, model.Make(), Options(sessions, log, socket));

    internal static ServerOptions Options(DatagramSessionOptions? sessions = null, RecordingLog? log = null, ListenerOptions? socket = null) => new()
    {
        Sessions = sessions ?? new(),
        Socket = socket ?? new(),
        LoggerFactory = log is null ? NullLoggerFactory.Instance : log,
    };

    internal static string Text(Datagram datagram) => Encoding.UTF8.GetString(datagram.Data.Span);

    internal static ValueTask SayAsync(DatagramSession session, string text) => session.SendAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>Answers each datagram with the session's number, how many it was of that session, and its text.</summary>
    internal static async Task CountAsync(DatagramSession session, CancellationToken stop)
    {
        int count = 0;
        await foreach (Datagram datagram in session.ReceiveAllAsync(stop))
        {
            await SayAsync(session, $"{session.Id} {++count} {Text(datagram)}");
        }
    }

    internal static async Task<string> AskAsync(DatagramCaller caller, string text)
    {
        await caller.SendAsync(text);
        return await caller.ReceiveAsync();
    }

    internal static Task EndedAsync(SocketServer server, ConnectionEndReason reason, long count = 1) =>
        Deadline.UntilAsync(() => server.Statistics.EndedBy.GetValueOrDefault(reason) == count && server.Statistics.Open == 0, $"{count} sessions ended, {reason}");
}
