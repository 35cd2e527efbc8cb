using System.Diagnostics;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Switchboard.Servers;

/// <summary>A certificate with its private key and the ones between it and its authority: from files, which may be replaced
/// while a server runs, or as it is given. Any thread may use it.</summary>
/// <remarks>Files are looked at again as handshakes come, every <see cref="CheckInterval"/> at most; new ones are read on the
/// thread pool, and the handshakes meanwhile get the old. Of a broken file the old certificate stays, and the server's log
/// says why.</remarks>
public sealed class TlsCertificate
{
    private static readonly TimeSpan _checkInterval = TimeSpan.FromSeconds(5);

    private readonly string[] _files;
    private readonly Func<X509Certificate2Collection> _load;
    private readonly Lock _gate = new();
    private volatile Loaded _loaded;
    private long _checked = Stopwatch.GetTimestamp();
    private int _isChecking;
    private string _stamp;

    private TlsCertificate(string[] files, Func<X509Certificate2Collection> load)
    {
        _files = files;
        _load = load;
        _stamp = Stamp();
        _loaded = Load();
    }

    /// <summary>How often files are looked at for a change, at most. <see cref="Timeout.InfiniteTimeSpan"/>
    /// for never, which leaves <see cref="Reload"/>.</summary>
    public TimeSpan CheckInterval { get; private init; }

    /// <summary>The certificate that connections get now.</summary>
    public X509Certificate2 Certificate => _loaded.Certificate;

    internal SslStreamCertificateContext Context => _loaded.Context;

    /// <summary>Reads a certificate in PEM form (RFC 7468); what else the file holds is sent along as its chain.</summary>
    /// <param name="certificateFile">The certificate's file.</param>
    /// <param name="keyFile">The private key's file; null if the key stands in the certificate's.</param>
    /// <param name="password">What the key is encrypted with; null for a plain one.</param>
    /// <param name="checkInterval">How often the files are looked at for a change, at most; null for 5 seconds,
    /// <see cref="Timeout.InfiniteTimeSpan"/> for never.</param>
    /// <returns>The certificate.</returns>
    /// <exception cref="TlsCertificateException">A file can't be read, or is none of the kind.</exception>
    public static TlsCertificate FromPem(string certificateFile, string? keyFile = null, string? password = null, TimeSpan? checkInterval = null)
    {
        ArgumentNullException.ThrowIfNull(certificateFile);
        return new TlsCertificate([certificateFile, .. keyFile is null ? (string[])[] : [keyFile]], () =>
        {
            var all = new X509Certificate2Collection();
            all.ImportFromPemFile(certificateFile);
            X509Certificate2 certificate = password is null
                ? X509Certificate2.CreateFromPemFile(certificateFile, keyFile)
                : X509Certificate2.CreateFromEncryptedPemFile(certificateFile, password, keyFile);
            return [certificate, .. all.Skip(1)];
        })
        { CheckInterval = checkInterval ?? _checkInterval };
    }

    /// <summary>Reads a certificate in the form of PKCS #12 (RFC 7292), usually a <c>.pfx</c> or <c>.p12</c> file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="password">What it is encrypted with; null for nothing.</param>
    /// <param name="checkInterval">How often the files are looked at for a change, at most; null for 5 seconds,
    /// <see cref="Timeout.InfiniteTimeSpan"/> for never.</param>
    /// <returns>The certificate.</returns>
    /// <exception cref="TlsCertificateException">The file can't be read, or is none of the kind.</exception>
    public static TlsCertificate FromPfx(string file, string? password = null, TimeSpan? checkInterval = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        return new TlsCertificate([file], () =>
        {
            X509Certificate2Collection all = X509CertificateLoader.LoadPkcs12CollectionFromFile(file, password);
            return [.. all.OrderByDescending(one => one.HasPrivateKey)];
        })
        { CheckInterval = checkInterval ?? _checkInterval };
    }

    /// <summary>Takes a certificate as it is.</summary>
    /// <param name="certificate">The certificate, with its private key. It stays the caller's.</param>
    /// <param name="chain">The certificates between it and its authority; null for none.</param>
    /// <returns>The certificate.</returns>
    /// <exception cref="TlsCertificateException">It has no private key.</exception>
    public static TlsCertificate From(X509Certificate2 certificate, X509Certificate2Collection? chain = null)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return new TlsCertificate([], () => [certificate, .. chain ?? []]);
    }

    /// <summary>Reads the files anew: connections from now on get what they hold. Any thread may call it.</summary>
    /// <exception cref="TlsCertificateException">A file is broken. The old certificate stays.</exception>
    public void Reload()
    {
        lock (_gate)
        {
            string stamp = Stamp();
            _loaded = Load();
            _stamp = stamp;
        }
    }

    /// <summary>Has the files looked at if the time has come; tells of one that is broken, once for each change.</summary>
    internal void CheckSoon(Action<TlsCertificateException> onBroken)
    {
        if (_files.Length == 0 || CheckInterval == Timeout.InfiniteTimeSpan
            || Stopwatch.GetElapsedTime(Volatile.Read(ref _checked)) < CheckInterval || Interlocked.Exchange(ref _isChecking, 1) != 0)
        {
            return;
        }
        Volatile.Write(ref _checked, Stopwatch.GetTimestamp());
        ThreadPool.UnsafeQueueUserWorkItem(_ =>
        {
            try
            {
                Check();
            }
            catch (TlsCertificateException exception)
            {
                onBroken(exception);
            }
            finally
            {
                Volatile.Write(ref _isChecking, 0);
            }
        }, null);
    }

    private void Check()
    {
        lock (_gate)
        {
            string stamp = Stamp();
            if (stamp != _stamp)
            {
                // Before it is read: a broken file is told of once, not at every look.
                _stamp = stamp;
                _loaded = Load();
            }
        }
    }

    private string Stamp() => string.Join('|', _files.Select(static file =>
    {
        var info = new FileInfo(file);
        return info.Exists ? $"{info.LastWriteTimeUtc.Ticks}:{info.Length}:{info.ResolveLinkTarget(returnFinalTarget: true)?.FullName}" : "missing";
    }));

    private Loaded Load()
    {
        string what = _files.Length == 0 ? "The certificate" : $"The certificate of {string.Join(" and ", _files)}";
        try
        {
            X509Certificate2Collection all = _load();
            if (all.Count == 0 || !all[0].HasPrivateKey)
            {
                throw new TlsCertificateException($"{what} has no private key. Give the file of the key too, or one that holds both.");
            }
            return new Loaded(all[0], SslStreamCertificateContext.Create(all[0], [.. all.Skip(1)], offline: true));
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new TlsCertificateException($"{what} can't be read: {exception.Message}", exception);
        }
    }

    private sealed record Loaded(X509Certificate2 Certificate, SslStreamCertificateContext Context);
}

/// <summary>A certificate can't be used: its file is missing or broken, its password wrong, its private key not there.</summary>
/// <param name="message">What, and why.</param>
/// <param name="inner">What the base library said.</param>
public sealed class TlsCertificateException(string message, Exception? inner = null) : Exception(message, inner);
