using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>What becomes of the host when one of its servers fails: when it can't accept callers any more, for example.</summary>
public enum WhenServerFails
{
    /// <summary>The host stops, and its run ends with the failure, so that the program ends with an error and can be started
    /// anew.</summary>
    StopHost,
    /// <summary>The failure is logged and shows in the health check; the other servers and the host go on.</summary>
    Report,
}

/// <summary>How all servers of the host are treated.</summary>
public sealed class SwitchboardOptions
{
    /// <summary>What becomes of the host when a server fails. Default <see cref="WhenServerFails.StopHost"/>. In the configuration
    /// <c>WhenServerFails</c>.</summary>
    public WhenServerFails WhenServerFails { get; set; } = WhenServerFails.StopHost;

    /// <summary>Makes what tells the service manager that the host is ready, stops, and is alive; it is disposed when the host has
    /// stopped. Default <see cref="SystemdNotifier.FromEnvironment"/>, which tells nobody where no manager listens. Give one that
    /// returns null where somebody else tells the manager.</summary>
    public Func<SystemdNotifier?> Notifier
    {
        get;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value;
        }
    } = SystemdNotifier.FromEnvironment;

    /// <summary>What is wrong in the configuration, a sentence for each.</summary>
    internal List<string> Faults { get; } = [];
}
