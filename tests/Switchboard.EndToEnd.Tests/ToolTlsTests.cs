using System.Text.Json;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>TLS and the PROXY protocol in the tool, with clients that are not .NET.</summary>
public sealed class ToolTlsTests : IDisposable
{
    private const int Limit = 60_000;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory(Timeout = Limit)]
    [InlineData("threads")]
    [InlineData("sequential")]
    [InlineData("eventloop")]
    [InlineData("tasks")]
    public async Task Callers_speak_tls_and_agree_on_a_protocol(string model)
    {
        (string certificate, string key) = OpenSsl.Make(_folder, "server", "one.example");
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--model", model, "--tls-cert", certificate, "--tls-key", key, "--tls-alpn", "redis", "--tls-alpn", "echo");
        using (ChildProgram client = OpenSsl.Call(tool.Address, "-servername", "one.example", "-verify_hostname", "one.example", "-CAfile", certificate, "-verify_return_error", "-alpn", "echo"))
        {
            await client.WaitForLineAsync("ALPN protocol: echo");
            await client.WaitForLineAsync("hello");
        }
        Assert.Equal(0, (await tool.EndAsync("TERM")).ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task The_host_name_chooses_among_pem_pfx_and_encrypted_files_of_a_configuration_file()
    {
        (string plain, string plainKey) = OpenSsl.Make(_folder, "plain", "plain.example");
        OpenSsl.Make(_folder, "bundle", "bundle.example");
        string bundle = OpenSsl.Bundle(_folder, "bundle", "secret");
        (string locked, string lockedKey) = OpenSsl.Make(_folder, "locked", "locked.example");
        File.WriteAllText(_folder["password"], "secret\n");
        File.WriteAllText(_folder["config.json"], $$"""
            {
                "handler": "echo",
                "endpoints": [
                    { "bind": "127.0.0.1:0", "tls-cert": ["{{plain}}", "{{bundle}}", "{{locked}}"], "tls-key": ["{{plainKey}}", "-", "{{OpenSsl.Encrypt(lockedKey, "secret")}}"], "tls-password": "file:{{_folder["password"]}}" },
                    { "bind": "unix:{{_folder["clear"]}}" }
                ]
            }
            """);
        (int checkedCode, _, string checkedError) = await SwitchboardTool.RunAsync("serve", "--config", _folder["config.json"], "--check-config");
        Assert.Equal("", checkedError);
        Assert.Equal(0, checkedCode);
        using SwitchboardTool tool = await SwitchboardTool.ListeningAsync(SwitchboardTool.Start("serve", "--config", _folder["config.json"], "--control", "none").Program);
        foreach (string name in (string[])["plain", "bundle", "locked"])
        {
            Assert.Equal(OpenSsl.Serial(_folder[$"{name}.pem"]), await OpenSsl.ShownAsync(_folder, tool.Address, $"{name}.example"));
        }
        Assert.Equal(OpenSsl.Serial(plain), await OpenSsl.ShownAsync(_folder, tool.Address, "unknown.example"));
        using Caller clear = await Caller.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(_folder["clear"]));
        await clear.SendAsync("clear");
        await clear.ExpectAsync("clear");
    }

    [Fact(Timeout = Limit)]
    public async Task A_wrong_password_is_one_sentence_and_exit_code_2()
    {
        OpenSsl.Make(_folder, "bundle", "bundle.example");
        string bundle = OpenSsl.Bundle(_folder, "bundle", "secret");
        using SwitchboardTool tool = SwitchboardTool.StartUnder(["PASSWORD=wrong"], "serve", "echo", "--tls-cert", bundle, "--tls-password", "env:PASSWORD", "--check-config");
        (int exitCode, string output, string error) = await tool.Program.WaitForEndAsync();
        Assert.Equal(2, exitCode);
        Assert.Empty(output);
        Assert.StartsWith($"tls-cert of 127.0.0.1:8009: The certificate of {bundle} can't be read: ", error);
        Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact(Timeout = Limit)]
    public async Task Nobody_is_served_without_a_certificate_of_the_clients_authority()
    {
        Installed.Require("python3");
        (string certificate, string key) = OpenSsl.Make(_folder, "server", "localhost");
        (string authority, _) = OpenSsl.Make(_folder, "authority", "authority");
        (string client, string clientKey) = OpenSsl.Make(_folder, "client", "client", "authority");
        (string stranger, string strangerKey) = OpenSsl.Make(_folder, "stranger", "client");
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", authority, "--tls-min", "1.3", "--control", _folder["control"]);
        Assert.Contains("b'hello'", await PythonAsync(client, clientKey, "print(s.version(), s.recv(100))"));
        Assert.DoesNotContain("hello", await PythonAsync(stranger, strangerKey, "print(s.version(), s.recv(100))"));
        Assert.DoesNotContain("hello", await PythonAsync("", "", "print(s.version(), s.recv(100))"));
        using JsonDocument status = JsonDocument.Parse((await SwitchboardTool.RunAsync("status", "--json", "--control", _folder["control"])).Output);
        JsonElement endpoint = status.RootElement.GetProperty("endpoints")[0];
        Assert.Equal("required", endpoint.GetProperty("tls").GetProperty("clients").GetString());
        Assert.Equal(2, endpoint.GetProperty("ended").GetProperty("handshake-failed").GetInt32());

        async Task<string> PythonAsync(string file, string keyFile, string then)
        {
            using ChildProgram python = ChildProgram.Start("python3", "-c", $$"""
                import socket, ssl
                c = ssl.create_default_context(cafile='{{certificate}}')
                if '{{file}}': c.load_cert_chain('{{file}}', '{{keyFile}}')
                try:
                    s = c.wrap_socket(socket.create_connection(('127.0.0.1', {{tool.Port}}), timeout=20), server_hostname='localhost')
                    s.sendall(b'hello')
                    {{then}}
                    s.close()
                except (ssl.SSLError, ConnectionError) as error:
                    print('refused', error)
                """);
            (int exitCode, string output, string error) = await python.WaitForEndAsync();
            Assert.True(exitCode == 0, error);
            return output;
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Status_tells_of_certificates_and_of_callers_behind_a_proxy()
    {
        (string certificate, string key) = OpenSsl.Make(_folder, "server", "one.example");
        using SwitchboardTool tool = await SwitchboardTool.ServeAsync("echo", "--tls-cert", certificate, "--tls-key", key, "--proxy-protocol", "127.0.0.0/8", "--bind", "127.0.0.1:0", "--bind", "udp:127.0.0.1:0", "--control", _folder["control"]);
        using Caller proxy = await tool.CallAsync();
        await proxy.SendAsync("PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n");
        await using var stream = new System.Net.Security.SslStream(new System.Net.Sockets.NetworkStream(proxy.Socket), false, (_, shown, _, _) => shown?.GetSerialNumberString() == OpenSsl.Serial(certificate));
        await stream.AuthenticateAsClientAsync("one.example");
        await stream.WriteAsync("hello"u8.ToArray(), TestContext.Current.CancellationToken);
        await stream.ReadExactlyAsync(new byte[5], TestContext.Current.CancellationToken);

        using JsonDocument status = JsonDocument.Parse((await SwitchboardTool.RunAsync("status", "--json", "--connections", "--control", _folder["control"])).Output);
        JsonElement endpoint = status.RootElement.GetProperty("endpoints")[0];
        JsonElement shown = Assert.Single(endpoint.GetProperty("tls").GetProperty("certificates").EnumerateArray());
        Assert.Equal("CN=one.example", shown.GetProperty("subject").GetString());
        Assert.Equal("one.example", shown.GetProperty("names")[0].GetString());
        Assert.InRange((shown.GetProperty("expires").GetDateTime() - DateTime.UtcNow).TotalDays, 28, 30);
        Assert.Equal("127.0.0.0/8", endpoint.GetProperty("proxy").GetProperty("trusted")[0].GetString());
        Assert.Equal(JsonValueKind.Null, status.RootElement.GetProperty("endpoints")[1].GetProperty("tls").ValueKind);
        JsonElement connection = Assert.Single(status.RootElement.GetProperty("connections").EnumerateArray());
        Assert.Equal("192.0.2.7:4711", connection.GetProperty("peer").GetString());
        Assert.Equal("1.3", connection.GetProperty("tls").GetProperty("version").GetString());
        Assert.Equal("one.example", connection.GetProperty("tls").GetProperty("host").GetString());
        Assert.Equal($"{proxy.Socket.LocalEndPoint}", connection.GetProperty("proxy").GetProperty("address").GetString());
        string table = (await SwitchboardTool.RunAsync("status", "--connections", "--control", _folder["control"])).Output;
        Assert.Contains($"{tool.Address} certificate: CN=one.example for one.example, expires ", table);
        Assert.Contains($"v1 from {proxy.Socket.LocalEndPoint}", table);
    }
}
