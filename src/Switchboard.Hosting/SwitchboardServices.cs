using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Switchboard.Hosting;

/// <summary>Adds socket servers to the services of a host.</summary>
public static class SwitchboardServices
{
    /// <summary>Adds servers that start with the host and stop with it: bound before the host has started, drained within its
    /// shutdown time. Add endpoints to what it returns. May be called again, for more endpoints.</summary>
    /// <param name="services">The host's services.</param>
    /// <returns>Takes the endpoints.</returns>
    public static SwitchboardBuilder AddSwitchboard(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(static provider => new HostedServers(provider));
        services.AddHostedService<HostedServersService>();
        services.AddOptionsWithValidateOnStart<SwitchboardOptions>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<SwitchboardOptions>, SwitchboardValidation>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<EndpointOptions>, EndpointValidation>());
        return new SwitchboardBuilder(services);
    }

    /// <summary>As <see cref="AddSwitchboard(IServiceCollection)"/>, with a configuration section that sets options of endpoints
    /// and wins over what the program sets.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="section">The section: <c>Endpoints:NAME:KEY</c> for one endpoint, <c>EndpointDefaults:KEY</c> for all, and
    /// <c>WhenServerFails</c>. Keys are <c>Address</c>, <c>Concurrency</c> and the properties of
    /// <see cref="Servers.ServerOptions"/>; docs/hosting.md lists them.</param>
    /// <returns>Takes the endpoints.</returns>
    /// <remarks>The host does not start, by an <see cref="OptionsValidationException"/>, if a value can't be read, is out of its
    /// range, or stands under a key that there is not.</remarks>
    [RequiresUnreferencedCode("Options are found by their properties' names. Set them in code in a program that is trimmed.")]
    [RequiresDynamicCode("Options are found by their properties' names. Set them in code in a program that is compiled ahead of time.")]
    public static SwitchboardBuilder AddSwitchboard(this IServiceCollection services, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        SwitchboardBuilder builder = services.AddSwitchboard();
        services.AddSingleton<IPostConfigureOptions<EndpointOptions>>(new EndpointConfiguration(section));
        services.AddSingleton<IPostConfigureOptions<SwitchboardOptions>>(provider => new SwitchboardConfiguration(section, provider.GetServices<EndpointRegistration>()));
        return builder;
    }
}
