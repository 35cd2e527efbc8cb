using System.Diagnostics;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The <c>openssl</c> program: it makes certificates, and calls as a client.</summary>
internal static class OpenSsl
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    /// <summary>Makes <c>NAME.pem</c> and <c>NAME.key</c> for a host, signed by itself or by an authority of that folder.</summary>
    internal static (string Certificate, string Key) Make(TemporaryFolder folder, string name, string host, string? authority = null)
    {
        (string certificate, string key) = (folder[$"{name}.pem"], folder[$"{name}.key"]);
        string[] signer = authority is null ? [] : ["-CA", folder[$"{authority}.pem"], "-CAkey", folder[$"{authority}.key"]];
        Run(["req", "-x509", .. signer, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", $"/CN={host}", "-addext", $"subjectAltName=DNS:{host}", "-keyout", key, "-out", certificate]);
        return (certificate, key);
    }

    /// <summary>Puts a certificate and its key into one file with a password.</summary>
    internal static string Bundle(TemporaryFolder folder, string name, string password)
    {
        Run(["pkcs12", "-export", "-in", folder[$"{name}.pem"], "-inkey", folder[$"{name}.key"], "-out", folder[$"{name}.pfx"], "-passout", $"pass:{password}"]);
        return folder[$"{name}.pfx"];
    }

    /// <summary>Encrypts a key with a password, into a file of its own.</summary>
    internal static string Encrypt(string key, string password)
    {
        Run(["pkcs8", "-topk8", "-in", key, "-out", $"{key}.locked", "-passout", $"pass:{password}"]);
        return $"{key}.locked";
    }

    internal static string Serial(string certificate) => Run(["x509", "-in", certificate, "-noout", "-serial"]).Trim().Split('=')[1];

    /// <summary>Calls a server and sends a line. What it writes begins with what it saw of the handshake.</summary>
    internal static ChildProgram Call(string address, params string[] arguments)
    {
        ChildProgram client = ChildProgram.Start("openssl", ["s_client", "-connect", address, "-ign_eof", .. arguments]);
        client.Write("hello\n");
        return client;
    }

    /// <summary>The serial number of the certificate that a server shows who asks for a host, after it has served a line.</summary>
    internal static async Task<string> ShownAsync(TemporaryFolder folder, string address, string host)
    {
        using ChildProgram client = Call(address, "-servername", host);
        await client.WaitForLineAsync("hello");
        string shown = folder["shown.pem"];
        string text = client.Output;
        int begin = text.IndexOf("-----BEGIN CERTIFICATE-----", StringComparison.Ordinal);
        await File.WriteAllTextAsync(shown, text[begin..text.IndexOf("-----END CERTIFICATE-----", StringComparison.Ordinal)] + "-----END CERTIFICATE-----\n");
        return Serial(shown);
    }

    private static string Run(string[] arguments)
    {
        Installed.Require("openssl");
        using var program = Process.Start(new ProcessStartInfo("openssl", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> error = program.StandardError.ReadToEndAsync();
        string output = program.StandardOutput.ReadToEnd();
        Assert.True(program.WaitForExit(_patience), "openssl did not end.");
        Assert.True(program.ExitCode == 0, error.GetAwaiter().GetResult());
        return output;
    }
}
