using Microsoft.Extensions.Options;
using Switchboard.Servers;

namespace Switchboard.Hosting;

/// <summary>Refuses an endpoint that can't be served, before the host starts.</summary>
internal sealed class EndpointValidation : IValidateOptions<EndpointOptions>
{
    public ValidateOptionsResult Validate(string? name, EndpointOptions options)
    {
        List<string> faults = [.. options.Faults];
        // A wrong address of the configuration was told already.
        if (faults.Count == 0 && WhatIsWrong(name, options.Address) is { } fault)
        {
            faults.Add(fault);
        }
        return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
    }

    private static string? WhatIsWrong(string? name, ServerAddress? address)
    {
        if (address is not { } where)
        {
            return $"The endpoint {name} has no address. Set EndpointOptions.Address where it is added, or {EndpointConfiguration.Endpoints}:{name}:{nameof(EndpointOptions.Address)} in the configuration: 127.0.0.1:8009, unix:/run/app.sock.";
        }
        try
        {
            _ = where.Local;
            return null;
        }
        catch (Exception exception) when (exception is FormatException or IOException or InvalidOperationException)
        {
            return $"The address of endpoint {name} can't be listened on: {exception.Message}";
        }
    }
}
