using Microsoft.Extensions.Logging;
using Switchboard.Polling;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>One place to listen, with all that holds there.</summary>
/// <param name="Bind">Where.</param>
/// <param name="Handler">What is served there.</param>
/// <param name="Settings">What was set for it, by name; the defaults are not in it.</param>
internal sealed record EndpointPlan(string Bind, string Handler, IReadOnlyDictionary<string, string> Settings)
{
    /// <summary>What kind of address it is; of a socket that is passed on, all that it may be.</summary>
    internal EndpointKinds Kinds => EndpointAddress.KindsOf(Bind);

    /// <summary>What holds: what was set, or the default; null for off.</summary>
    internal string? Effective(string name) => Settings.TryGetValue(name, out string? value) ? value : Setting.Find(name)!.Standard;

    /// <summary>The names and values that hold, without those of other models and those that are off.</summary>
    internal IEnumerable<(string Name, string Value)> EffectiveSettings =>
        from setting in Setting.All
        where !setting.OfProgram && setting.IsFor(this)
        let value = Effective(setting.Name)
        where value is not null
        select (setting.Name, value);

    internal Concurrency Concurrency(Dictionary<string, Concurrency> made)
    {
        // Servers that are given the same object share its loops.
        string key = $"{Effective("model")} {Effective("loops")} {Effective("limit")} {Effective("when-full")}";
        if (!made.TryGetValue(key, out Concurrency? model))
        {
            made[key] = model = Effective("model") switch
            {
                Setting.Sequential => Servers.Concurrency.Sequential(),
                Setting.Tasks => Servers.Concurrency.Tasks(),
                Setting.EventLoop => Servers.Concurrency.EventLoop(Values.Count(Effective("loops")!, 0)),
                _ => Servers.Concurrency.Threads(Values.Count(Effective("limit")!, 1), Full),
            };
        }
        return model;
    }

    /// <exception cref="MisuseException">A file that is named can't be used.</exception>
    internal ServerOptions Options(TimeSpan grace, Certificates certificates, ILoggerFactory loggers) => new()
    {
        Backlog = Values.Count(Effective("backlog")!, 0),
        Grace = grace,
        Limits = new ConnectionLimits
        {
            Handshake = Values.Limit(Effective("handshake")!),
            FirstByte = Values.Limit(Effective("first-byte")!),
            Idle = Values.Limit(Effective("idle")!),
            WriteStall = Values.Limit(Effective("write-stall")!),
            Call = Values.Limit(Effective("call")!),
            Message = Values.Size(Effective("max-message")!),
            PendingSend = Values.Size(Effective("pending-send")!),
            SlowPeer = Effective("slow-peer") == "end" ? SlowPeer.End : SlowPeer.Skip,
        },
        Callers = new CallerLimits
        {
            Connections = Count("max-connections"),
            ConnectionsPerAddress = Count("max-per-address"),
            IPv6Prefix = Values.Count(Effective("ipv6-prefix")!, 1),
            AcceptsPerSecond = Count("accept-rate"),
            AcceptBurst = Count("accept-burst"),
            WhenFull = Full,
        },
        Socket = Socket(),
        MaxPacketSize = Values.Size(Effective("max-packet")!),
        Sessions = new DatagramSessionOptions
        {
            Sessions = Values.Count(Effective("max-sessions")!, 1),
            SessionsPerAddress = Count("sessions-per-address"),
            Queue = Values.Count(Effective("session-queue")!, 1),
            Idle = Values.Limit(Effective("session-idle")!),
        },
        Datagrams = new DatagramOptions
        {
            Groups = Effective("multicast") is { } groups ? [.. Setting.Elements(groups).Select(static group => new MulticastGroup(group))] : [],
            Broadcast = Values.Switch(Effective("broadcast")!),
            ReceiveBuffer = Effective("receive-buffer") is { } buffer ? Values.Size(buffer) : null,
        },
        Tls = TlsPlan.Of(this, certificates),
        ProxyProtocol = Of(Setting.Proxies) is { } networks
            ? ProxyProtocolOptions.From(Setting.Elements(networks)) with { Untrusted = Effective("proxy-untrusted") == Setting.Refuse ? UntrustedSender.Refuse : UntrustedSender.Serve }
            : null,
        LoggerFactory = loggers,
    };

    /// <summary>What holds of a setting that is for this kind of address; null for off, and where it is for others.</summary>
    internal string? Of(string name) => Setting.Find(name)!.IsFor(this) ? Effective(name) : null;

    private ListenerOptions Socket()
    {
        var options = new ListenerOptions
        {
            ReusePort = Values.Switch(Effective("reuse-port")!),
            UnixMode = Effective("unix-mode") is { } mode ? Values.Mode(mode) : null,
            UnixUser = Effective("unix-user"),
            UnixGroup = Effective("unix-group"),
            UserTimeout = Effective("user-timeout") is { } time ? Values.UserTimeout(time) : null,
        };
        return Values.KeepAlive(Effective("keep-alive")!) is { } silence ? options with { KeepAliveTime = silence } : options with { KeepAlive = false };
    }

    private WhenFull Full => Effective("when-full") == Setting.Refuse ? WhenFull.Refuse : WhenFull.Wait;

    private int? Count(string name) => Effective(name) is { } text ? Values.Count(text, 1) : null;
}
