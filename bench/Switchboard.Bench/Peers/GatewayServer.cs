using System.Globalization;
using System.Net;
using Switchboard.Servers;

namespace Switchboard.Bench.Peers;

/// <summary>Our gateway, as a user would write it: what it takes is relayed to a port of this machine.</summary>
internal static class GatewayServer
{
    private static readonly Dictionary<string, Func<Concurrency>> _models = new()
    {
        ["eventloop"] = () => Concurrency.EventLoop(),
        ["threads"] = () => Concurrency.Threads(),
        ["tasks"] = Concurrency.Tasks,
    };

    internal static IEnumerable<string> Models => _models.Keys;

    internal static async Task<int> StartAsync(string model, string port)
    {
        ServerAddress target = new(new IPEndPoint(IPAddress.Loopback, int.Parse(port, CultureInfo.InvariantCulture)));
        TcpServer server = new("127.0.0.1:0", async (caller, stop) =>
        {
            await using Connection onward = await Connection.ConnectAsync(target, cancellation: stop);
            await caller.RelayAsync(onward, stop);
        }, _models[model]());
        await server.StartAsync();
        return ((IPEndPoint)server.LocalEndPoint!).Port;
    }
}
