using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>The certificates of all endpoints: those of the same files are one, read once.</summary>
internal sealed class Certificates
{
    private static readonly string[] _bundles = [".pfx", ".p12"];

    private readonly Dictionary<(string File, string? Key, string? Password), TlsCertificate> _read = [];

    internal IReadOnlyCollection<TlsCertificate> All => _read.Values;

    /// <param name="file">PKCS #12 by its extension, else PEM.</param>
    /// <param name="key">The key's file; null if the certificate's holds it.</param>
    /// <param name="passwordPlace">Where the password is; null for none.</param>
    /// <exception cref="TlsCertificateException">A file can't be used.</exception>
    /// <exception cref="UnusableException">The password can't be read.</exception>
    internal TlsCertificate Read(string file, string? key, string? passwordPlace)
    {
        if (!_read.TryGetValue((file, key, passwordPlace), out TlsCertificate? certificate))
        {
            string? password = passwordPlace is null ? null : TlsPassword.Read(passwordPlace);
            certificate = _bundles.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase)
                ? TlsCertificate.FromPfx(file, password)
                : TlsCertificate.FromPem(file, key, IsEncrypted(key ?? file) ? password : null);
            _read.Add((file, key, passwordPlace), certificate);
        }
        return certificate;
    }

    /// <summary>One password may be meant for some of the files only, and a plain key takes none. What can't be read, the
    /// certificate tells.</summary>
    private static bool IsEncrypted(string file)
    {
        try
        {
            return File.ReadAllText(file).Contains("BEGIN ENCRYPTED PRIVATE KEY", StringComparison.Ordinal);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
