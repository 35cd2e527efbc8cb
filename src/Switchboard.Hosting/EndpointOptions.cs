using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>One endpoint of the host: where it listens, where its calls run, and how. Set by the lambda that adds it, then by the
/// configuration section of <see cref="SwitchboardServices.AddSwitchboard(Microsoft.Extensions.DependencyInjection.IServiceCollection, Microsoft.Extensions.Configuration.IConfiguration)"/>, which wins. Read once, when the host starts.</summary>
/// <remarks>Named options: <c>services.PostConfigure&lt;EndpointOptions&gt;(name, ...)</c> has the last word.</remarks>
public sealed class EndpointOptions
{
    /// <summary>Where it listens: <c>127.0.0.1:8009</c>, <c>unix:/run/app.sock</c>, <c>systemd:NAME</c>. Required.</summary>
    public ServerAddress? Address { get; set; }

    /// <summary>Where its calls run; null for <see cref="Concurrency.Threads"/>. Default null. Endpoints that are given the same
    /// event loops by one object share them, and so do those that the configuration gives event loops by the same text.</summary>
    public Concurrency? Concurrency { get; set; }

    /// <summary>How it serves. Default: the defaults of <see cref="ServerOptions"/>, with the endpoint's name as
    /// <see cref="ServerOptions.Name"/> and the host's loggers as <see cref="ServerOptions.LoggerFactory"/>. A record: change it by
    /// <c>endpoint.Server = endpoint.Server with { ... }</c>.</summary>
    public ServerOptions Server
    {
        get;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value;
        }
    } = new();

    /// <summary>What is wrong in the configuration, a sentence for each.</summary>
    internal List<string> Faults { get; } = [];
}
