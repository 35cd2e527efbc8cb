using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Security.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Switchboard.Bench.Peers;

/// <summary>ASP.NET Core's server without HTTP: a <see cref="ConnectionHandler"/> that echoes through its pipes.</summary>
internal static class KestrelServer
{
    internal static Task<int> StartAsync() => StartAsync(static _ => { });

    internal static Task<int> StartTlsAsync() =>
        StartAsync(static listen => listen.UseHttps(TlsServers.MakeCertificate(), static options => options.SslProtocols = SslProtocols.Tls13));

    private static async Task<int> StartAsync(Action<ListenOptions> configure)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(options => options.Listen(IPAddress.Loopback, 0, listen =>
        {
            configure(listen);
            listen.UseConnectionHandler<Echo>();
        }));
        WebApplication application = builder.Build();
        await application.StartAsync();
        string address = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return new Uri(address).Port;
    }

    private sealed class Echo : ConnectionHandler
    {
        public override async Task OnConnectedAsync(ConnectionContext connection)
        {
            PipeReader input = connection.Transport.Input;
            PipeWriter output = connection.Transport.Output;
            try
            {
                while (true)
                {
                    ReadResult read = await input.ReadAsync();
                    foreach (ReadOnlyMemory<byte> part in read.Buffer)
                    {
                        output.Write(part.Span);
                    }
                    await output.FlushAsync();
                    input.AdvanceTo(read.Buffer.End);
                    if (read.IsCompleted)
                    {
                        return;
                    }
                }
            }
            catch (ConnectionResetException)
            {
                // The caller went away without a goodbye, which is no fault of an echo server.
            }
        }
    }
}
