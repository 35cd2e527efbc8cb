using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Switchboard.Polling;

namespace Switchboard.Servers.Tests;

/// <summary>Clients that others wrote speak with a datagram server, under its options.</summary>
public sealed class DatagramOutsideTests
{
    public static TheoryData<Model> All => Models.All;

    private static UdpServer Echo(string address, Model model, DatagramOptions datagrams) =>
        new(address, static (datagram, stop) => datagram.ReplyAsync(Encoding.UTF8.GetBytes($"{Encoding.UTF8.GetString(datagram.Data.Span)} at {((IPEndPoint)datagram.LocalEndPoint!).Address}"), stop).AsTask(),
            model.Make(), new ServerOptions { Datagrams = datagrams, LoggerFactory = NullLoggerFactory.Instance });

    [Theory(Timeout = 2 * Deadline.Milliseconds), MemberData(nameof(All))]
    public async Task Python_asks_an_address_a_group_and_everybody_and_each_answer_comes_from_where_it_may(Model model)
    {
        await using UdpServer server = Echo("0.0.0.0:0", model, new DatagramOptions
        {
            Groups = [new MulticastGroup("239.255.77.9") { Interface = "lo" }],
            ReceiveBatch = 2,
            ReceiveBuffer = 64 * 1024,
            SendBuffer = 64 * 1024,
        });
        await server.StartAsync().InTime();
        const string Program = """
            import socket, sys
            port = int(sys.argv[1])
            end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            end.bind(("127.0.0.1", 0))
            end.settimeout(20)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            end.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            for asked in "127.0.0.1", "127.0.0.3", "239.255.77.9", "127.255.255.255":
                end.sendto(b"hello", (asked, port))
                data, peer = end.recvfrom(100)
                print(data.decode(), "from", peer[0], peer[1] == port)
            """;
        string[] said = (await RunAsync("python3", null, "-c", Program, $"{((IPEndPoint)server.LocalEndPoint!).Port}")).TrimEnd().Split('\n');
        Assert.Equal(
        [
            "hello at 127.0.0.1 from 127.0.0.1 True",
            "hello at 127.0.0.3 from 127.0.0.3 True",
            "hello at 239.255.77.9 from 127.0.0.1 True",
            "hello at 127.255.255.255 from 127.0.0.1 True",
        ], said);
    }

    [Theory(Timeout = 2 * Deadline.Milliseconds), MemberData(nameof(All))]
    public async Task Netcat_is_answered(Model model)
    {
        await using UdpServer server = Echo("127.0.0.1:0", model, new DatagramOptions());
        await server.StartAsync().InTime();
        // It does not see an end, and so ends a second after the answer by itself.
        string said = await RunAsync("nc", "hello", "-u", "-w", "1", "127.0.0.1", $"{((IPEndPoint)server.LocalEndPoint!).Port}");
        Assert.Equal("hello at 127.0.0.1", said);
    }

    private static async Task<string> RunAsync(string tool, string? input, params string[] arguments)
    {
        Process process;
        try
        {
            process = Process.Start(new ProcessStartInfo(tool, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        }
        catch (Win32Exception)
        {
            Assert.Skip($"There is no {tool} here.");
            throw;
        }
        using (process)
        {
            try
            {
                await process.StandardInput.WriteAsync(input);
                process.StandardInput.Close();
                string said = await process.StandardOutput.ReadToEndAsync().InTime();
                await process.WaitForExitAsync().InTime();
                return said;
            }
            finally
            {
                if (!process.HasExited)
                {
                    process.Kill();
                }
            }
        }
    }
}
