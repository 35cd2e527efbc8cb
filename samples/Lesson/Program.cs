using System.Net.Sockets;
using Lesson;

(string Name, string Sentence, Func<string[], int> Run)[] rows =
[
    ("multiplexers", "One call watches many descriptors: select, poll and epoll give the same answer.", Multiplexers.Run),
    ("select-terminal", "Waits for lines from standard input: a terminal, a pipe or a file.", SelectTerminal.Run),
    ("select-server", "Serves many clients on one thread with select. [PORT]", SelectServer.Run),
    ("select-server-handler", "The select server as a handler on an event loop. [PORT]", SelectServerHandler.Run),
    ("select-client", "Sends each line of standard input to the select server. [PORT]", SelectClient.Run),
    ("port-reuse", "Binds a port again at once, and twice, with the two options for it.", PortReuse.Run),
    ("hotline-threads", "The 10086 hotline: a thread for each caller. [PORT]", HotlineThreads.Run),
    ("request-walk", "How a server's steps call each other: each writes its name.", RequestWalk.Run),
    ("by-hand", "The hotline by hand: a selector on the listener, a thread for each caller. [PORT]", ByHand.Run),
    ("event-loop", "Echoes what callers send, all of them on one loop, until Ctrl+C. [PORT]", LoopEcho.Run),
    ("threads", "Starts, names, joins threads, in the background and not. [background|foreground MILLISECONDS]", Threads.Run),
    ("thread-lock", "Ten threads add to one number under a lock that its holder may take again. [MILLISECONDS]", ThreadLock.Run),
    ("thread-event", "Threads with an even number wait until you type true.", ThreadEvent.Run),
];

if (args.Length == 0)
{
    foreach ((string name, string sentence, _) in rows)
    {
        Console.WriteLine($"{name,-21} {sentence}");
    }
    return 0;
}
if (Array.Find(rows, row => row.Name == args[0]).Run is not { } run)
{
    Console.Error.WriteLine($"There is no lesson {args[0]}. The lessons are {string.Join(", ", rows.Select(row => row.Name))}.");
    return 2;
}
try
{
    return run(args[1..]);
}
catch (Exception e) when (e is SocketException or IOException or FormatException or ArgumentException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
