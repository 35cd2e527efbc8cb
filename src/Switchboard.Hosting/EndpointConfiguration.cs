using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>Sets the options of endpoints from a section: first what holds for all, then what was set for the one.</summary>
[RequiresUnreferencedCode("Options are found by their properties' names.")]
[RequiresDynamicCode("Options are found by their properties' names.")]
internal sealed class EndpointConfiguration(IConfiguration section) : IPostConfigureOptions<EndpointOptions>
{
    internal const string Endpoints = "Endpoints";
    internal const string Defaults = "EndpointDefaults";

    // Servers that are given the same object share its loops.
    private readonly ConcurrentDictionary<string, Concurrency> _models = new(StringComparer.OrdinalIgnoreCase);

    public void PostConfigure(string? name, EndpointOptions options)
    {
        if (string.IsNullOrEmpty(name))
        {
            return;
        }
        Apply(section.GetSection(Defaults), options, isForAll: true);
        Apply(section.GetSection(Endpoints).GetSection(name), options, isForAll: false);
    }

    private void Apply(IConfigurationSection from, EndpointOptions options, bool isForAll)
    {
        var reader = new OptionReader(options.Faults);
        var others = new List<IConfigurationSection>();
        foreach (IConfigurationSection child in from.GetChildren())
        {
            switch (child.Key.ToUpperInvariant())
            {
                case "ADDRESS" when isForAll:
                    options.Faults.Add($"{child.Path} can't be the address of all endpoints. Write it below {Endpoints}, to the endpoint that listens there.");
                    break;
                case "ADDRESS":
                    options.Address = reader.Read(child, options.Address ?? default);
                    break;
                case "CONCURRENCY":
                    options.Concurrency = reader.Parse(child, text => _models.GetOrAdd(text, OptionText.Concurrency)) ?? options.Concurrency;
                    break;
                default:
                    others.Add(child);
                    break;
            }
        }
        options.Server = reader.ReadRecord(from, others, options.Server, isForAll ? [nameof(EndpointOptions.Concurrency)] : [nameof(EndpointOptions.Address), nameof(EndpointOptions.Concurrency)]);
    }
}
