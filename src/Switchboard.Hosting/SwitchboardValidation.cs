using Microsoft.Extensions.Options;

namespace Switchboard.Hosting;

/// <summary>Refuses a host without endpoints, and keys of the configuration that mean nothing, before the host starts.</summary>
internal sealed class SwitchboardValidation(IEnumerable<EndpointRegistration> endpoints) : IValidateOptions<SwitchboardOptions>
{
    public ValidateOptionsResult Validate(string? name, SwitchboardOptions options)
    {
        List<string> faults = [.. options.Faults];
        if (!endpoints.Any())
        {
            faults.Add("AddSwitchboard was called, and no endpoint was added. Add one to what it returns: AddStream, AddDatagrams or AddServer.");
        }
        return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
    }
}
