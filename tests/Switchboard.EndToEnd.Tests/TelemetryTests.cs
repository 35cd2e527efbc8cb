using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The host of the samples, as a program of its own: what Prometheus scrapes, what is told of a call, and what a service
/// manager hears.</summary>
public sealed partial class TelemetryTests
{
    private const int Limit = 120_000;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    [Fact(Timeout = Limit)]
    public async Task Prometheus_scrapes_what_the_endpoints_did_and_each_call_is_told_as_an_activity()
    {
        using var folder = new TemporaryFolder();
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(folder["notify"]));
        int port = FreePort();
        using ChildProgram program = ChildProgram.Start("env", "--default-signal=INT,TERM", $"NOTIFY_SOCKET={folder["notify"]}", "WATCHDOG_USEC=600000000", ChildProgram.DotNet, "exec",
            Path.Combine(AppContext.BaseDirectory, "Telemetry.dll"),
            "--Switchboard:Endpoints:words:Address=127.0.0.1:0", "--Switchboard:Endpoints:ping:Address=127.0.0.1:0", $"--Prometheus:Port={port}");
        var words = IPEndPoint.Parse(Listening().Match(await program.WaitForLineAsync("      words listens on ")).Groups[1].Value);
        Assert.Equal("READY=1", await HearAsync(manager));
        Assert.Equal("WATCHDOG=1", await HearAsync(manager));
        await program.WaitForLineAsync("      Health of switchboard: Healthy. 2 endpoints listen and respond.");

        using (Caller caller = await Caller.ConnectAsync(words))
        {
            await caller.SendAsync("one two\nthree\n");
            await caller.ExpectAsync("2\n3\n");
            caller.EndOutput();
            Assert.Empty(await caller.ReceiveToEndAsync());
        }
        // It is told after the end of the call.
        await program.WaitForLineAsync("Activity.DisplayName:        switchboard.call");
        await program.WaitForLineAsync("    network.peer.address: 127.0.0.1");
        await program.WaitForLineAsync("    switchboard.end.reason: ");

        string tags = $"switchboard_endpoint=\"{words}\",switchboard_model=\"EventLoop(1)\",switchboard_server=\"words\"";
        string metrics = await ScrapeAsync(port, "switchboard_connections_ended_total{");
        foreach (string line in (string[])
        [
            $"switchboard_connections_open{{otel_scope_name=\"Switchboard.Servers\",{tags}}} 0",
            $"switchboard_connections_accepted_total{{otel_scope_name=\"Switchboard.Servers\",{tags}}} 1",
            $"switchboard_connections_ended_total{{otel_scope_name=\"Switchboard.Servers\",switchboard_end_reason=\"PeerClosed\",{tags}}} 1",
            $"switchboard_received_bytes_total{{otel_scope_name=\"Switchboard.Servers\",{tags}}} 14",
            $"switchboard_sent_bytes_total{{otel_scope_name=\"Switchboard.Servers\",{tags}}} 4",
            $"switchboard_call_duration_seconds_count{{otel_scope_name=\"Switchboard.Servers\",switchboard_end_reason=\"PeerClosed\",{tags}}} 1",
        ])
        {
            Assert.Contains(line + "\n", metrics, StringComparison.Ordinal);
        }

        SwitchboardTool.Send("TERM", program.Id);
        Assert.Equal("STOPPING=1", await HearAsync(manager));
        (int exitCode, _, string error) = await program.WaitForEndAsync();
        Assert.Empty(error);
        Assert.Equal(0, exitCode);
    }

    /// <summary>Scrapes until something is there: for a moment the exporter gives what it gave last.</summary>
    private static async Task<string> ScrapeAsync(int port, string expected)
    {
        using var client = new HttpClient();
        using var time = new CancellationTokenSource(_patience);
        string metrics;
        while (!(metrics = await client.GetStringAsync(new Uri($"http://127.0.0.1:{port}/metrics"), time.Token)).Contains(expected, StringComparison.Ordinal))
        {
            time.Token.ThrowIfCancellationRequested();
        }
        return metrics;
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static async Task<string> HearAsync(Socket manager)
    {
        var message = new byte[256];
        return Encoding.UTF8.GetString(message, 0, await manager.ReceiveAsync(message.AsMemory()).AsTask().WaitAsync(_patience));
    }

    [GeneratedRegex(@"listens on (\S+), EventLoop\(1\)\.")]
    private static partial Regex Listening();
}
