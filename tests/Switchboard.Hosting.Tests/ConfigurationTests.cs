using System.Net;
using System.Security.Authentication;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Switchboard.Polling;
using Switchboard.Servers;
using Switchboard.Servers.Tests;

namespace Switchboard.Hosting.Tests;

/// <summary>Options of endpoints from a configuration section.</summary>
public sealed class ConfigurationTests
{
    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Values_come_from_the_section_of_all_then_from_that_of_the_endpoint_and_win_over_the_program()
    {
        EndpointOptions endpoint = await ReadAsync(
            ("EndpointDefaults:Limits:Idle", "00:01:00"),
            ("EndpointDefaults:Grace", "off"),
            ("Endpoints:echo:address", "127.0.0.2:0"),
            ("Endpoints:echo:CONCURRENCY", "eventloop(2)"),
            ("Endpoints:echo:Name", "renamed"),
            ("Endpoints:echo:Backlog", "7"),
            ("Endpoints:echo:Limits:Idle", "00:00:30"),
            ("Endpoints:echo:Limits:SlowPeer", "end"),
            ("Endpoints:echo:Callers:Connections", "off"),
            ("Endpoints:echo:Callers:ConnectionsPerAddress", "3"),
            ("Endpoints:echo:Callers:LastWord", "full\n"),
            ("Endpoints:echo:Socket:UnixMode", "660"),
            ("Endpoints:echo:Socket:UserTimeout", "00:00:20"),
            ("Endpoints:echo:Datagrams:Groups:0", "239.1.2.3"),
            ("Endpoints:echo:ProxyProtocol:Trusted:0", "10.0.0.0/8"),
            ("Endpoints:echo:ProxyProtocol:Trusted:1", "::1"));
        Assert.Equal("127.0.0.2:0", $"{endpoint.Address}");
        Assert.Equal("EventLoop(2)", $"{endpoint.Concurrency}");
        ServerOptions server = endpoint.Server;
        Assert.Equal(("renamed", 7, Timeout.InfiniteTimeSpan), (server.Name, server.Backlog, server.Grace));
        // The program's own stays where the section says nothing.
        Assert.Equal(new ConnectionLimits { Idle = TimeSpan.FromSeconds(30), SlowPeer = SlowPeer.End, Message = 77 }, server.Limits);
        Assert.Equal((null, 3, 64, "full\n"), (server.Callers.Connections, server.Callers.ConnectionsPerAddress, server.Callers.IPv6Prefix, Encoding.UTF8.GetString(server.Callers.LastWord.Span)));
        Assert.Equal(new ListenerOptions { UnixMode = (UnixFileMode)0b110_110_000, UserTimeout = TimeSpan.FromSeconds(20) }, server.Socket);
        Assert.Equal("239.1.2.3", $"{Assert.Single(server.Datagrams.Groups)}");
        Assert.Equal([IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("::1/128")], server.ProxyProtocol!.Trusted);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("Limits:Idle", "30", "is '30'. Write a time as hours, minutes and seconds, 00:00:30 for half a minute")]
    [InlineData("Limits:Idle", "-00:00:01", "is '-00:00:01'. A time limit must be longer than zero, or Timeout.InfiniteTimeSpan for none.")]
    [InlineData("Limits:Message", "0", "is '0'. A size limit must be 1 byte or more.")]
    [InlineData("Limits:Message", "much", "is 'much'. Write a whole number, at most 2147483647.")]
    [InlineData("Limits:SlowPeer", "shout", "is 'shout'. Write one of Skip, End.")]
    [InlineData("Limits:SlowPeer", "1", "is '1'. Write one of Skip, End.")]
    [InlineData("Callers:IPv6Prefix", "129", "is '129'. IPv6Prefix must be from 1 to 128 bits.")]
    [InlineData("Socket:KeepAliveProbes", "128", "is '128'. KeepAliveProbes must be from 1 to 127.")]
    [InlineData("Socket:UnixMode", "9", "is '9'. Write an access mode in octal digits, from 000 to 777.")]
    [InlineData("Socket:NoDelay", "maybe", "is 'maybe'. Write true or false.")]
    [InlineData("Datagrams:Groups:0", "10.0.0.1", "is '10.0.0.1'. 10.0.0.1 is no multicast group.")]
    [InlineData("ProxyProtocol:Trusted:0", "home", "is 'home'. 'home' is not a network.")]
    [InlineData("Address", "nowhere", "is 'nowhere'. 'nowhere' is not an address. Write HOST:PORT with a port from 0 to 65535")]
    [InlineData("Concurrency", "Fibers(3)", "is 'Fibers(3)'. Write Threads(N) with N calls at once from 1 on, EventLoop(N)")]
    [InlineData("Concurrency", "Threads(0)", "is 'Threads(0)'. Write Threads(N)")]
    [InlineData("Backlog", "-1", "is '-1'. ")]
    public async Task A_value_that_is_wrong_fails_the_start_by_a_sentence_with_key_value_and_range(string key, string value, string sentence)
    {
        OptionsValidationException failure = await Assert.ThrowsAsync<OptionsValidationException>(() => ReadAsync(($"Endpoints:echo:{key}", value)));
        Assert.StartsWith($"Servers:Endpoints:echo:{key} {sentence}", Assert.Single(failure.Failures), StringComparison.Ordinal);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("Endpoints:echo:Limits:Idel", "00:01:00", "There is no setting Servers:Endpoints:echo:Limits:Idel. Under Servers:Endpoints:echo:Limits there may be Call, FirstByte, Handshake, Idle, Message, PendingSend, SlowPeer, WriteStall.")]
    [InlineData("Endpoints:echo:Limit", "1", "There is no setting Servers:Endpoints:echo:Limit. Under Servers:Endpoints:echo there may be Address, Backlog, BlockedLoop, Callers, Concurrency, ")]
    [InlineData("Endpoints:echo:LoggerFactory", "x", "There is no setting Servers:Endpoints:echo:LoggerFactory. ")]
    [InlineData("Endpoints:echo:Limits", "none", "Servers:Endpoints:echo:Limits is 'none'. It has settings of its own below it: Handshake, ")]
    [InlineData("Endpoints:echo:Backlog:Most", "1", "There is no setting Servers:Endpoints:echo:Backlog:Most: Servers:Endpoints:echo:Backlog is one value.")]
    [InlineData("Endpoints:ecko:Backlog", "1", "Servers:Endpoints:ecko is for an endpoint that this program does not have. It has echo.")]
    [InlineData("EndpointDefault:Backlog", "1", "There is no setting Servers:EndpointDefault. There may be Endpoints, EndpointDefaults and WhenServerFails.")]
    [InlineData("EndpointDefaults:Address", "127.0.0.1:0", "Servers:EndpointDefaults:Address can't be the address of all endpoints.")]
    [InlineData("WhenServerFails", "weep", "Servers:WhenServerFails is 'weep'. Write one of StopHost, Report.")]
    [InlineData("Endpoints:echo:Tls:Protocols", "Tls13", "Servers:Endpoints:echo:Tls has no Certificates. Name the file of one at least: Servers:Endpoints:echo:Tls:Certificates:0:File.")]
    [InlineData("Endpoints:echo:Tls:Certificates:0:Key", "key.pem", "Servers:Endpoints:echo:Tls:Certificates:0 has no File.")]
    [InlineData("Endpoints:echo:Tls:Certificates:0:File", "/there/is/none.pem", "Servers:Endpoints:echo:Tls:Certificates:0: The certificate of /there/is/none.pem")]
    public async Task A_key_that_there_is_not_or_that_is_misplaced_fails_the_start(string key, string value, string sentence)
    {
        OptionsValidationException failure = await Assert.ThrowsAsync<OptionsValidationException>(() => ReadAsync((key, value)));
        Assert.StartsWith(sentence, Assert.Single(failure.Failures), StringComparison.Ordinal);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task All_that_is_wrong_is_told_at_once()
    {
        OptionsValidationException failure = await Assert.ThrowsAsync<OptionsValidationException>(() => ReadAsync(("Endpoints:echo:Backlog", "x"), ("Endpoints:echo:Limits:Idle", "x"), ("Endpoints:echo:Limit", "x")));
        Assert.Equal(3, failure.Failures.Count());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Certificates_are_read_from_the_files_that_are_named()
    {
        using var certificates = new Certificates();
        (string certificate, string key) = certificates.WritePem("localhost");
        EndpointOptions endpoint = await ReadAsync(
            ("Endpoints:echo:Tls:Certificates:0:File", certificate),
            ("Endpoints:echo:Tls:Certificates:0:Key", key),
            ("Endpoints:echo:Tls:ApplicationProtocols:0", "echo"),
            ("Endpoints:echo:Tls:ClientCertificates", "Allowed"),
            ("Endpoints:echo:Tls:TrustedAuthorities", certificate),
            ("Endpoints:echo:Tls:Protocols", "Tls13"));
        TlsOptions tls = endpoint.Server.Tls!;
        Assert.True(Assert.Single(tls.Certificates).Certificate.MatchesHostname("localhost"));
        Assert.Equal(("echo", ClientCertificates.Allowed, SslProtocols.Tls13), (Assert.Single(tls.ApplicationProtocols), tls.ClientCertificates, tls.Protocols));
        Assert.Single(tls.TrustedAuthorities!);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Endpoints_that_are_given_the_same_loops_by_text_share_them()
    {
        await using var host = new TestHost(static servers => servers
            .AddStream("one", static (_, _) => Task.CompletedTask, EndpointTests.Anywhere)
            .AddStream("two", static (_, _) => Task.CompletedTask, EndpointTests.Anywhere), new Dictionary<string, string?> { ["EndpointDefaults:Concurrency"] = "EventLoop" });
        await host.StartAsync();
        Assert.Same(host["one"].Concurrency, host["two"].Concurrency);
    }

    private static async Task<EndpointOptions> ReadAsync(params (string Key, string Value)[] rows)
    {
        await using var host = new TestHost(static servers => servers.AddStream("echo", static (_, _) => Task.CompletedTask, static endpoint =>
        {
            EndpointTests.Anywhere(endpoint);
            endpoint.Server = endpoint.Server with { Name = "program's", Limits = new ConnectionLimits { Message = 77, Idle = TimeSpan.FromHours(1) } };
        }), rows.ToDictionary(row => row.Key, row => (string?)row.Value));
        await host.StartAsync();
        await host.StopAsync();
        return host.Services.GetRequiredService<IOptionsMonitor<EndpointOptions>>().Get("echo");
    }
}
