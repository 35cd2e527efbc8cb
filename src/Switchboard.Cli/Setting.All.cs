namespace Switchboard.Cli;

// The table of what can be set. docs/operations.md has the same one, and a test compares them.
internal sealed partial record Setting
{
    internal const string Sequential = "sequential";
    internal const string Threads = "threads";
    internal const string EventLoop = "eventloop";
    internal const string Tasks = "tasks";
    internal const string Wait = "wait";
    internal const string Refuse = "refuse";
    internal const string Certificate = "tls-cert";
    internal const string Proxies = "proxy-protocol";

    private const string SwitchForm = "true|false";

    private static readonly string[] _models = [Sequential, Threads, EventLoop, Tasks];
    private static readonly string[] _full = [Wait, Refuse];
    private static readonly string[] _slow = ["skip", "end"];
    private static readonly string[] _untrusted = [Refuse, "serve"];
    private static readonly string[] _levels = ["trace", "debug", "information", "warning", "error", "critical", "none"];

    /// <summary>All of them.</summary>
    internal static Setting[] All { get; } =
    [
        Choice("model", _models, Threads, "Where calls run: one after another, each on a thread of its own, all on event loops, or all on the thread pool."),
        Count("limit", 1, "2048", "The most calls at once, for --model threads.") with { Model = Threads },
        Count("max-connections", 1, "16384", "The most connections at once, under any model.") with { Kinds = EndpointKinds.Streams },
        Count("max-per-address", 1, null, "The most connections at once from one IP address; callers beyond it are refused.") with { Kinds = EndpointKinds.Tcp },
        new("ipv6-prefix", "BITS", "64", "How many leading bits of an IPv6 address --max-per-address looks at.", static text => Values.Count(text, 1, 128)) { Kinds = EndpointKinds.Tcp, Needs = "max-per-address" },
        Choice("when-full", _full, Wait, "What becomes of callers beyond --limit or --max-connections: they wait in the backlog, or are refused."),
        Count("accept-rate", 1, null, "The most callers that are accepted in a second; the others wait in the backlog.") with { Kinds = EndpointKinds.Streams },
        Count("accept-burst", 1, null, "How many may be accepted at once after a time without callers; unless given, as many as --accept-rate.") with { Kinds = EndpointKinds.Streams, Needs = "accept-rate" },
        Count("loops", 0, "1", "How many event loops, for --model eventloop; 0 for one a processor.") with { Model = EventLoop },
        Count("backlog", 0, "1024", "The most callers who wait to be accepted; the kernel caps it (net.core.somaxconn).") with { Kinds = EndpointKinds.Streams },
        Limit("handshake", "5s", "What comes before the call, the PROXY header and TLS, may take so long together; off for ever."),
        Limit("first-byte", "30s", "A caller who sends no first byte within this time is cut off; off for never."),
        Limit("idle", "5m", "A caller from whom no byte comes for so long is cut off; off for never."),
        Limit("write-stall", "30s", "A caller who takes no byte for so long is cut off; off for never."),
        Limit("call", Values.Off, "A call that takes longer is cut off; off for never."),
        Size("max-message", "1MiB", "The longest message of a framing."),
        Size("pending-send", "64KiB", "How much of a broadcast may wait for one caller."),
        Choice("slow-peer", _slow, "skip", "A caller for whom more than --pending-send waits misses the message, or is ended.") with { Kinds = EndpointKinds.Streams },
        new("keep-alive", "TIME", "2m", "After so much silence the kernel asks whether the peer is still there, 1s to 9h; off for never.", static text => Values.KeepAlive(text)) { Kinds = EndpointKinds.Tcp },
        new("user-timeout", "TIME", null, "How long what was sent may stay unconfirmed before the connection is given up; unless given, the kernel's some 15 minutes.", static text => Values.UserTimeout(text)) { Kinds = EndpointKinds.Tcp },
        new(Certificate, "FILE", null, "Callers speak TLS: the file of the certificate, PEM or PKCS #12 (.pfx, .p12), with what stands between it and its authority. Again for each; the name that a client asks for (SNI) chooses, and the first is for all others.", Values.File) { Kinds = EndpointKinds.Streams, IsList = true },
        new("tls-key", "FILE", null, "The file of the private key, in PEM. Again for each --tls-cert, in the same order; - for one that holds its key itself. May be left out where all do.", Values.File) { Kinds = EndpointKinds.Streams, IsList = true, Needs = Certificate },
        new("tls-password", "file:PATH|env:NAME", null, "Where the password of the files that are encrypted is read: the first line of a file, or a variable of the environment.", static text => TlsPassword.Check(text)) { Kinds = EndpointKinds.Streams, Needs = Certificate },
        new("tls-alpn", "NAME", null, "A protocol to offer by ALPN, the preferred first. A client that offers others only is refused.", Values.Protocol) { Kinds = EndpointKinds.Streams, IsList = true, Needs = Certificate },
        Choice("tls-min", TlsPlan.Versions, "1.2", "The oldest version of TLS.") with { Kinds = EndpointKinds.Streams, Needs = Certificate },
        new("tls-client-ca", "FILE", null, "Whose signature makes a client's certificate right, in PEM; unless given, the system's authorities.", Values.File) { Kinds = EndpointKinds.Streams, Needs = Certificate },
        Choice("tls-client-cert", TlsPlan.ClientWords, null, "What is wanted of clients' certificates; unless given, required with --tls-client-ca, else none.") with { Kinds = EndpointKinds.Streams, Needs = Certificate },
        new(Proxies, "NETWORK", null, "Callers come through proxies that say for whom they call, by the PROXY protocol, version 1 or 2: the networks or addresses that are believed.", Values.Network) { Kinds = EndpointKinds.Streams, IsList = true },
        Choice("proxy-untrusted", _untrusted, Refuse, "What becomes of callers from elsewhere than --proxy-protocol says: they are refused, or served under their own address.") with { Kinds = EndpointKinds.Streams, Needs = Proxies },
        new("to", "ADDRESS", null, "Whom the handler gateway calls onwards for each caller: HOST:PORT, unix:PATH, or tls:HOST:PORT for TLS, where the certificate must be made out to HOST.", static text => GatewayPlan.Parse(text)) { Kinds = EndpointKinds.Streams, Handler = GatewayPlan.Name },
        new("to-ca", "FILE", null, "Whose signature makes the certificate of --to right, in PEM; unless given, the system's authorities.", Values.File) { Kinds = EndpointKinds.Streams, Handler = GatewayPlan.Name, Needs = "to" },
        new("max-packet", "SIZE", "65535", "The longest datagram that is taken whole.", static text => Values.Size(text)) { Kinds = EndpointKinds.Udp },
        Count("max-sessions", 1, "1024", "The most sessions at once, where the handler serves sessions; datagrams of further peers are dropped.") with { Kinds = EndpointKinds.Udp },
        Count("sessions-per-address", 1, null, "The most sessions at once with one IP address.") with { Kinds = EndpointKinds.Udp },
        Count("session-queue", 1, "64", "The most datagrams that wait in one session; newer ones are dropped.") with { Kinds = EndpointKinds.Udp },
        new("session-idle", "TIME", "1m", "A session ends when its peer has sent nothing for so long; off for never.", static text => Values.Limit(text)) { Kinds = EndpointKinds.Udp },
        new("multicast", "GROUP", null, "A multicast group whose datagrams are received.", Values.Group) { Kinds = EndpointKinds.Udp, IsList = true },
        new("broadcast", SwitchForm, "false", "May send to broadcast addresses.", static text => Values.Switch(text)) { Kinds = EndpointKinds.Udp },
        new("receive-buffer", "SIZE", null, "How much may wait in the kernel before datagrams are lost; the kernel caps it (net.core.rmem_max).", static text => Values.Size(text)) { Kinds = EndpointKinds.Udp },
        new("reuse-port", SwitchForm, "false", "Share the port with other programs of the same user that set it too (SO_REUSEPORT).", static text => Values.Switch(text)) { Kinds = EndpointKinds.Internet },
        new("unix-mode", "OCTAL", null, "The access mode of a Unix socket's file, in octal digits (600). Else the umask decides.", static text => Values.Mode(text)) { Kinds = EndpointKinds.Unix },
        new("unix-user", "USER", null, "The user, by name or number, whom a Unix socket's file is given to.", Values.Account) { Kinds = EndpointKinds.Unix },
        new("unix-group", "GROUP", null, "The group that a Unix socket's file is given to: with --unix-mode 660 its members may call.", Values.Account) { Kinds = EndpointKinds.Unix },
        new("user", "USER", null, "Bind as root, then act for this user, by name or number, before anybody is served.", Values.Account) { OfProgram = true },
        new("group", "GROUP", null, "The group for --user; unless given, the user's own.", Values.Account) { OfProgram = true, Needs = "user" },
        new("umask", "OCTAL", null, "What files that are made don't allow, in octal digits (027). Else the umask of whoever starts this.", static text => Values.Mode(text)) { OfProgram = true },
        new("grace", "TIME", "30s", "How long calls may go on after a signal to end.", static text => Values.Time(text)) { OfProgram = true },
        Choice("log-level", _levels, "information", "The least level of the log records that go to standard error. Callers are logged at debug.") with { OfProgram = true },
        new("name", "NAME", null, "The name of this program for status, stop and end; the process's number unless given.", ControlPath.CheckName) { OfProgram = true },
        new("control", "PATH|none", null, "The control socket; unless given, NAME.sock in $XDG_RUNTIME_DIR/switchboard, for root in /run/switchboard.", ControlPath.Check) { OfProgram = true },
    ];

    internal bool IsSwitch => Form == SwitchForm;

    private static Setting Count(string name, int least, string? standard, string help) => new(name, "N", standard, help, text => Values.Count(text, least));

    private static Setting Limit(string name, string standard, string help) => new(name, "TIME", standard, help, static text => Values.Limit(text)) { Kinds = EndpointKinds.Streams };

    private static Setting Size(string name, string standard, string help) => new(name, "SIZE", standard, help, static text => Values.Size(text)) { Kinds = EndpointKinds.Streams };

    private static Setting Choice(string name, string[] words, string? standard, string help) => new(name, string.Join('|', words), standard, help, text => Values.Word(text, words));
}
