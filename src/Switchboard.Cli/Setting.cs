namespace Switchboard.Cli;

/// <summary>One thing that can be set: <c>--NAME</c> on the command line, <c>"NAME"</c> in the configuration file, and NAME in what
/// <c>status</c> tells.</summary>
/// <param name="Name">The name, without dashes in front.</param>
/// <param name="Form">What a value looks like, for help.</param>
/// <param name="Standard">The default; null for off.</param>
/// <param name="Help">What it is for.</param>
/// <param name="Check">Throws a <see cref="FormatException"/> if a value can't be read.</param>
/// <param name="OfProgram">True if it is one for the whole program, false if each endpoint may have its own.</param>
/// <param name="Model">The model that it is for; null for all.</param>
internal sealed record Setting(string Name, string Form, string? Standard, string Help, Action<string> Check, bool OfProgram = false, string? Model = null)
{
    internal const string Sequential = "sequential";
    internal const string Threads = "threads";
    internal const string EventLoop = "eventloop";
    internal const string Tasks = "tasks";
    internal const string Wait = "wait";
    internal const string Refuse = "refuse";

    internal static string[] Models { get; } = [Sequential, Threads, EventLoop, Tasks];

    private static readonly string[] _full = [Wait, Refuse];
    private static readonly string[] _slow = ["skip", "end"];
    private static readonly string[] _levels = ["trace", "debug", "information", "warning", "error", "critical", "none"];

    /// <summary>All of them.</summary>
    internal static Setting[] All { get; } =
    [
        Choice("model", Models, Threads, "Where calls run: one after another, each on a thread of its own, all on event loops, or all on the thread pool."),
        Count("limit", 1, "2048", "The most calls at once, for --model threads.") with { Model = Threads },
        Count("max-connections", 1, "16384", "The most connections at once, under any model."),
        Count("max-per-address", 1, null, "The most connections at once from one IP address; callers beyond it are refused."),
        Choice("when-full", _full, Wait, "What becomes of callers beyond --limit or --max-connections: they wait in the backlog, or are refused."),
        Count("accept-rate", 1, null, "The most callers that are accepted in a second; the others wait in the backlog."),
        Count("loops", 0, "1", "How many event loops, for --model eventloop; 0 for one a processor.") with { Model = EventLoop },
        Count("backlog", 0, "1024", "The most callers who wait to be accepted; the kernel caps it (net.core.somaxconn)."),
        Limit("first-byte", "30s", "A caller who sends no first byte within this time is cut off; off for never."),
        Limit("idle", "5m", "A caller from whom no byte comes for so long is cut off; off for never."),
        Limit("write-stall", "30s", "A caller who takes no byte for so long is cut off; off for never."),
        Limit("call", Values.Off, "A call that takes longer is cut off; off for never."),
        Size("max-message", "1MiB", "The longest message of a framing."),
        Size("pending-send", "64KiB", "How much of a broadcast may wait for one caller."),
        Choice("slow-peer", _slow, "skip", "A caller for whom more than --pending-send waits misses the message, or is ended."),
        new("reuse-port", "true|false", "false", "Share the port with other programs of the same user that set it too (SO_REUSEPORT).", static text => Values.Switch(text)),
        new("unix-mode", "OCTAL", null, "The access mode of a Unix socket's file, in octal digits (600). Else the umask decides.", static text => Values.Mode(text)),
        new("grace", "TIME", "30s", "How long calls may go on after a signal to end.", static text => Values.Time(text), OfProgram: true),
        Choice("log-level", _levels, "information", "The least level of the log records that go to standard error. Callers are logged at debug.") with { OfProgram = true },
        new("name", "NAME", null, "The name of this program for status, stop and end; the process's number unless given.", ControlPath.CheckName, OfProgram: true),
        new("control", "PATH|none", null, "The control socket; unless given, NAME.sock in $XDG_RUNTIME_DIR/switchboard, for root in /run/switchboard.", ControlPath.Check, OfProgram: true),
    ];

    internal static Setting? Find(string name) => Array.Find(All, setting => setting.Name == name);

    private static Setting Count(string name, int least, string? standard, string help) => new(name, "N", standard, help, text => Values.Count(text, least));

    private static Setting Limit(string name, string standard, string help) => new(name, "TIME", standard, help, static text => Values.Limit(text));

    private static Setting Size(string name, string standard, string help) => new(name, "SIZE", standard, help, static text => Values.Size(text));

    private static Setting Choice(string name, string[] words, string standard, string help) => new(name, string.Join('|', words), standard, help, text => Values.Word(text, words));
}
