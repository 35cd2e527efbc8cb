using Switchboard.Samples;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Whom the built-in gateway calls onwards: an address, with <c>tls:</c> before it for TLS.</summary>
internal static class GatewayPlan
{
    internal const string Name = "gateway";
    private const string Tls = "tls:";

    /// <exception cref="FormatException">It is no address that can be called; the message goes on after the value.</exception>
    internal static (ServerAddress Address, string? TlsHost) Parse(string text)
    {
        bool isTls = text.StartsWith(Tls, StringComparison.Ordinal);
        string where = isTls ? text[Tls.Length..] : text;
        if (EndpointAddress.IsPassed(where) || (isTls && where.StartsWith("unix:", StringComparison.Ordinal)))
        {
            throw new FormatException($"can't be called. Write HOST:PORT, unix:PATH, or {Tls}HOST:PORT for TLS.");
        }
        try
        {
            // As it is written: localhost is an address by then.
            return (ServerAddress.Parse(where), isTls ? where[..where.LastIndexOf(':')].Trim('[', ']') : null);
        }
        catch (FormatException exception)
        {
            throw new FormatException($"can't be called: {exception.Message}", exception);
        }
    }

    /// <exception cref="MisuseException">Nobody said whom to call.</exception>
    /// <exception cref="UnusableException">The authorities' file can't be used.</exception>
    internal static HandlerChoice Of(EndpointPlan endpoint, ConnectionLimits limits)
    {
        string to = endpoint.Effective("to")
            ?? throw new MisuseException($"The {Name} at {endpoint.Bind} does not know whom to call. Say it with --to HOST:PORT, or \"to\" in the configuration file.");
        (ServerAddress target, string? tlsHost) = Parse(to);
        string? authorities = endpoint.Effective("to-ca");
        if (authorities is not null && tlsHost is null)
        {
            throw new MisuseException($"to-ca is for TLS, and {endpoint.Bind} calls {to} in clear. Write {Tls}{to} to call it over TLS.");
        }
        var client = new ClientOptions
        {
            Limits = limits,
            Tls = tlsHost is null ? null : new TlsClientOptions { TargetHost = tlsHost, TrustedAuthorities = authorities is null ? null : TlsPlan.Authorities("to-ca", authorities) },
        };
        return new(() => new GatewayHandler(target, client), null);
    }
}
