using System.Net.Sockets;
using System.Text;
using Switchboard.Servers;

namespace Lesson;

/// <summary>Row 7. How a server's classes call each other: every step writes its name when it is called.</summary>
internal static class RequestWalk
{
    public static int Run(string[] args) => WalkAsync().GetAwaiter().GetResult();

    private static async Task<int> WalkAsync()
    {
        Console.WriteLine("-- a call");
        await using (WalkedServer server = new(new ServerOptions()))
        {
            server.Bind();
            Console.WriteLine("Bind");
            server.Activate();
            Console.WriteLine("Activate");
            Console.WriteLine("ServeForeverAsync");
            Task serving = server.ServeForeverAsync();
            await CallAsync(server, "hello");
            Console.WriteLine("-- a call whose handler fails");
            await CallAsync(server, "fail");
            Console.WriteLine("-- a call that is turned away");
            server.TurnsAway = true;
            await CallAsync(server, "");
            Console.WriteLine("-- the end");
            Console.WriteLine("StopAsync");
            await server.StopAsync();
            await serving;
        }

        Console.WriteLine("-- a wait for one request, in vain; then actions between requests");
        await using WalkedServer patient = new(new ServerOptions
        {
            RequestTimeout = TimeSpan.FromMilliseconds(50),
            PollInterval = TimeSpan.FromMilliseconds(50),
        });
        Console.WriteLine("HandleRequestAsync");
        await patient.HandleRequestAsync();
        await patient.StartAsync();
        await patient.FirstServiceActions;
        return 0;
    }

    /// <summary>Says something and waits until the server has closed the connection.</summary>
    private static async Task CallAsync(SocketServer server, string words)
    {
        using Socket client = new(SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(server.LocalEndPoint!);
        await client.SendAsync(Encoding.UTF8.GetBytes(words));
        while (await client.ReceiveAsync(new byte[100]) > 0)
        {
        }
    }

    private sealed class WalkedServer(ServerOptions options) : TcpServer<WalkedHandler>("127.0.0.1:0", Concurrency.Threads(), options)
    {
        private readonly TaskCompletionSource _serviced = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal bool TurnsAway { get; set; }

        internal Task FirstServiceActions => _serviced.Task;

        protected override Connection? GetRequest()
        {
            Connection? request = base.GetRequest();
            if (request is not null)
            {
                Console.WriteLine("GetRequest");
            }
            return request;
        }

        protected override bool Verify(Connection request)
        {
            Console.WriteLine("Verify");
            return !TurnsAway;
        }

        protected override void Process(Connection request)
        {
            Console.WriteLine("Process");
            base.Process(request);
        }

        protected override Task FinishAsync(Connection request, CancellationToken stop)
        {
            Console.WriteLine("FinishAsync");
            return base.FinishAsync(request, stop);
        }

        protected override ValueTask ShutdownRequestAsync(Connection request)
        {
            Console.WriteLine("ShutdownRequestAsync");
            return base.ShutdownRequestAsync(request);
        }

        protected override void CloseRequest(Connection request)
        {
            Console.WriteLine("CloseRequest");
            base.CloseRequest(request);
        }

        protected override void OnError(Connection request, Exception exception) => Console.WriteLine($"OnError: {exception.Message}");

        protected override void OnTimeout() => Console.WriteLine("OnTimeout");

        protected override void ServiceActions()
        {
            if (_serviced.TrySetResult())
            {
                Console.WriteLine("ServiceActions");
            }
        }
    }

    private sealed class WalkedHandler : RequestHandler
    {
        public WalkedHandler() => Console.WriteLine("  the handler's constructor");

        protected override Task SetupAsync(CancellationToken stop)
        {
            Console.WriteLine("  SetupAsync");
            return Task.CompletedTask;
        }

        protected override async Task HandleAsync(CancellationToken stop)
        {
            Console.WriteLine("  HandleAsync");
            ReadOnlyMemory<byte>? words = await Connection.ReadMessageAsync(Framing.Packet, stop);
            if (words is { } bytes && bytes.Span.SequenceEqual("fail"u8))
            {
                throw new InvalidOperationException("The handler fails, as it was told.");
            }
        }

        protected override Task FinishAsync()
        {
            Console.WriteLine("  FinishAsync");
            return Task.CompletedTask;
        }
    }
}
