using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Switchboard.Hosting;

/// <summary>Sets the options of the whole host from a section, and looks for keys at its top that mean nothing.</summary>
[RequiresUnreferencedCode("Options are found by their properties' names.")]
[RequiresDynamicCode("Options are found by their properties' names.")]
internal sealed class SwitchboardConfiguration(IConfiguration section, IEnumerable<EndpointRegistration> endpoints) : IPostConfigureOptions<SwitchboardOptions>
{
    public void PostConfigure(string? name, SwitchboardOptions options)
    {
        var reader = new OptionReader(options.Faults);
        foreach (IConfigurationSection child in section.GetChildren())
        {
            if (Is(child, nameof(SwitchboardOptions.WhenServerFails)))
            {
                options.WhenServerFails = reader.Read(child, options.WhenServerFails);
            }
            else if (Is(child, EndpointConfiguration.Endpoints))
            {
                foreach (IConfigurationSection endpoint in child.GetChildren().Where(one => !endpoints.Any(known => Is(one, known.Name))))
                {
                    options.Faults.Add($"{endpoint.Path} is for an endpoint that this program does not have. It has {string.Join(", ", endpoints.Select(known => known.Name))}.");
                }
            }
            else if (!Is(child, EndpointConfiguration.Defaults))
            {
                options.Faults.Add($"There is no setting {child.Path}. There may be {EndpointConfiguration.Endpoints}, {EndpointConfiguration.Defaults} and {nameof(SwitchboardOptions.WhenServerFails)}.");
            }
        }
    }

    private static bool Is(IConfigurationSection section, string key) => string.Equals(section.Key, key, StringComparison.OrdinalIgnoreCase);
}
