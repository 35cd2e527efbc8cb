using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Switchboard.Bench.Peers;

/// <summary>ASP.NET Core's server without HTTP: a <see cref="ConnectionHandler"/> that echoes through its pipes.</summary>
internal static class KestrelServer
{
    internal static async Task<int> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(options => options.Listen(IPAddress.Loopback, 0, listen => listen.UseConnectionHandler<Echo>()));
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
                        await output.WriteAsync(part);
                    }
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
