using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>What SIGHUP does: certificates are read anew, and what can't be is told.</summary>
internal sealed class Reload
{
    private readonly Certificates _certificates;
    private readonly ServiceManager _manager;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, string> _readOnce;

    internal Reload(ServePlan plan, Certificates certificates, ServiceManager manager, ILoggerFactory loggers)
    {
        (_certificates, _manager, _logger) = (certificates, manager, loggers.CreateLogger(nameof(Reload)));
        _readOnce = plan.FilesReadOnce.ToDictionary(static file => file, Stamp, StringComparer.Ordinal);
    }

    internal void OnSignal(PosixSignalContext signal)
    {
        signal.Cancel = true;
        // One after another, each with its own words to the manager.
        lock (_gate)
        {
            _manager.Reload(Read);
        }
    }

    private void Read()
    {
        int count = 0;
        foreach (TlsCertificate certificate in _certificates.All)
        {
            try
            {
                certificate.Reload();
                count++;
            }
            catch (TlsCertificateException exception)
            {
                Log.NotReloaded(_logger, exception.Message, CertificateStatus.Describe(certificate.Certificate));
            }
        }
        if (count > 0)
        {
            Log.Reloaded(_logger, count);
        }
        else if (_certificates.All.Count == 0)
        {
            Log.NothingToReload(_logger);
        }
        foreach ((string file, string stamp) in _readOnce)
        {
            if (Stamp(file) is var now && now != stamp)
            {
                _readOnce[file] = now;
                Log.NeedsRestart(_logger, file);
            }
        }
    }

    private static string Stamp(string file)
    {
        try
        {
            return Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return exception.GetType().Name;
        }
    }
}
