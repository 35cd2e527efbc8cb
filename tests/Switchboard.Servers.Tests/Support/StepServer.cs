using System.Collections.Concurrent;

namespace Switchboard.Servers.Tests;

/// <summary>Notes each step of a request's walk, and fails where a test wants it.</summary>
internal sealed class StepServer(Func<StepServer, CallHandler> make, Concurrency concurrency, ServerOptions? options = null)
    : TcpServer("127.0.0.1:0", (_, _) => throw new NotSupportedException("FinishAsync makes the handlers."), concurrency, options)
{
    private readonly ConcurrentQueue<(string Step, int Thread)> _steps = new();

    internal string[] Steps => [.. _steps.Select(step => step.Step)];

    internal (string Step, int Thread)[] Threads => [.. _steps];

    /// <summary>Throws, or not, at the beginning of a step.</summary>
    internal Action<string> At { get; set; } = _ => { };

    internal Func<Connection, bool> Check { get; set; } = _ => true;

    internal SemaphoreSlim ServiceActionsRun { get; } = new(0);

    internal SemaphoreSlim Closed { get; } = new(0);

    internal void Note(string step)
    {
        _steps.Enqueue((step, Environment.CurrentManagedThreadId));
        At(step);
    }

    protected override Connection? GetRequest()
    {
        Connection? request = base.GetRequest();
        if (request is not null)
        {
            Note("get");
        }
        return request;
    }

    protected override bool Verify(Connection request)
    {
        Note("verify");
        return Check(request);
    }

    protected override void Process(Connection request)
    {
        Note("process");
        base.Process(request);
    }

    protected override Task FinishAsync(Connection request, CancellationToken stop)
    {
        Note("finish");
        return make(this).RunAsync(request, stop);
    }

    protected override ValueTask ShutdownRequestAsync(Connection request)
    {
        Note("shutdown");
        return base.ShutdownRequestAsync(request);
    }

    protected override void CloseRequest(Connection request)
    {
        // Released even if the step fails, which may then be tried once more.
        try
        {
            Note("close");
            base.CloseRequest(request);
        }
        finally
        {
            Closed.Release();
        }
    }

    protected override void OnError(Connection request, Exception exception) => Note($"error {exception.Message}");

    protected override void OnTimeout() => Note("timeout");

    protected override void ServiceActions()
    {
        ServiceActionsRun.Release();
        Note("service");
    }
}

/// <summary>A handler whose own steps are noted too.</summary>
internal sealed class StepHandler : RequestHandler
{
    private readonly StepServer _server;

    internal StepHandler(StepServer server)
    {
        _server = server;
        server.Note("made");
    }

    protected override async Task SetupAsync(CancellationToken stop)
    {
        await Task.Yield();
        _server.Note("handler sets up");
    }

    protected override async Task HandleAsync(CancellationToken stop)
    {
        _server.Note("handler handles");
        await Connection.WriteAsync("served"u8.ToArray(), stop);
    }

    protected override async Task FinishAsync()
    {
        await Task.Yield();
        _server.Note("handler finishes");
    }
}

internal sealed class BlockingStepHandler : BlockingRequestHandler
{
    private readonly StepServer _server;

    internal BlockingStepHandler(StepServer server)
    {
        _server = server;
        server.Note("made");
    }

    protected override void Setup(CancellationToken stop) => _server.Note("handler sets up");

    protected override void Handle(CancellationToken stop)
    {
        _server.Note("handler handles");
        Connection.Write("served"u8);
    }

    protected override void Finish() => _server.Note("handler finishes");
}
