namespace Switchboard.Servers.Tests;

/// <summary>What CPython's tests ask of a request that is turned away.</summary>
public sealed class ConformanceMiscTests
{
    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_request_that_is_not_verified_is_shut_down_without_a_handler()
    {
        await using var server = new RefusingServer();
        server.Activate();
        using Caller caller = await Caller.ConnectAsync(server);
        Task<bool> one = server.HandleRequestAsync();
        Assert.Equal("", await caller.ReadTextToEndAsync());
        Connection refused = await server.ShutDown.InTime();
        Assert.Equal(ConnectionEndReason.Unverified, (await refused.Closed.InTime()).Reason);
        Assert.False(server.Handled);
        Assert.False(one.IsCompleted, "A request that was turned away is not the one that was to be handled.");
    }

    private sealed class RefusingServer : TcpServer
    {
        private readonly bool[] _handled;
        private readonly TaskCompletionSource<Connection> _shutDown = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal RefusingServer()
            : this([false])
        {
        }

        private RefusingServer(bool[] handled)
            : base("127.0.0.1:0", (_, _) =>
            {
                handled[0] = true;
                return Task.CompletedTask;
            }, Concurrency.Sequential()) => _handled = handled;

        internal bool Handled => _handled[0];

        internal Task<Connection> ShutDown => _shutDown.Task;

        protected override bool Verify(Connection request) => false;

        protected override ValueTask ShutdownRequestAsync(Connection request)
        {
            _shutDown.TrySetResult(request);
            return base.ShutdownRequestAsync(request);
        }
    }
}
