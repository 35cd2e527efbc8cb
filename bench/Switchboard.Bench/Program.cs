using Switchboard.Bench;
using Switchboard.Bench.Load;
using Switchboard.Bench.Peers;

return args switch
{
    ["generate"] => LoadGenerator.Run(),
    ["server", string name] => await ServerVerb.RunAsync(name),
    ["tls", string name] => await ServerVerb.RunAsync(() => TlsServers.StartAsync(name)),
    ["udp", string name] => await ServerVerb.RunAsync(() => UdpServers.StartAsync(name)),
    ["gateway", string model, string port] => await ServerVerb.RunAsync(() => GatewayServer.StartAsync(model, port)),
    _ => await CommandLine.RunAsync(args),
};
