namespace Switchboard.Servers.Tests;

/// <summary>One request at a time, asked for by the program.</summary>
public sealed class HandleRequestTests
{
    private static readonly ServerOptions _impatient = new() { RequestTimeout = TimeSpan.FromMilliseconds(20) };

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task One_request_is_served_and_the_next_waits_until_it_is_asked_for(Model model)
    {
        await using StepServer server = Make(model);
        server.Activate();
        using Caller first = await Caller.ConnectAsync(server);
        using Caller second = await Caller.ConnectAsync(server);
        Assert.True(await server.HandleRequestAsync().InTime());
        if (model == Model.Sequential)
        {
            Assert.Equal("close", server.Steps[^1]);
        }
        Assert.Equal("served", await first.ReadTextToEndAsync());
        Assert.Equal(1, server.Statistics.Accepted);
        Assert.True(await server.HandleRequestAsync().InTime());
        Assert.Equal("served", await second.ReadTextToEndAsync());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_wait_in_vain_calls_the_timeout_step_and_the_server_can_be_asked_again()
    {
        await using StepServer server = Make(Model.Sequential, _impatient);
        Assert.False(await server.HandleRequestAsync().InTime());
        Assert.Equal(["timeout"], server.Steps);
        using Caller caller = await Caller.ConnectAsync(server);
        Assert.True(await server.HandleRequestAsync().InTime());
        Assert.Equal("served", await caller.ReadTextToEndAsync());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task What_the_timeout_step_throws_reaches_whoever_asked()
    {
        await using StepServer server = Make(Model.Sequential, _impatient);
        server.At = step => throw new NotSupportedException($"{step} failed");
        var error = await Assert.ThrowsAsync<NotSupportedException>(() => server.HandleRequestAsync().InTime());
        Assert.Equal("timeout failed", error.Message);
        server.At = _ => { };
        Assert.False(await server.HandleRequestAsync().InTime());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_wait_can_be_cancelled_and_takes_no_caller()
    {
        await using StepServer server = Make(Model.Threads);
        using var source = new CancellationTokenSource();
        Task<bool> one = server.HandleRequestAsync(source.Token);
        await source.CancelAsync();
        var cancelled = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => one.InTime());
        Assert.Equal(source.Token, cancelled.CancellationToken);
        using Caller caller = await Caller.ConnectAsync(server);
        Assert.Empty(server.Steps);
        Assert.True(await server.HandleRequestAsync().InTime());
        Assert.Equal("served", await caller.ReadTextToEndAsync());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Two_waits_at_once_and_a_wait_while_the_server_serves_are_refused()
    {
        await using StepServer server = Make(Model.Threads);
        Task<bool> one = server.HandleRequestAsync();
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => server.HandleRequestAsync());
        Assert.Contains("serves already", error.Message, StringComparison.Ordinal);
        using Caller caller = await Caller.ConnectAsync(server);
        Assert.True(await one.InTime());
        await server.StartAsync().InTime();
        await Assert.ThrowsAsync<InvalidOperationException>(() => server.HandleRequestAsync());
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_stop_ends_the_wait_with_an_error_and_refuses_the_next()
    {
        await using StepServer server = Make(Model.Threads);
        Task<bool> one = server.HandleRequestAsync();
        await server.StopAsync().InTime();
        Assert.Contains("stopped", (await Assert.ThrowsAsync<InvalidOperationException>(() => one.InTime())).Message, StringComparison.Ordinal);
        Assert.Contains("was stopped", (await Assert.ThrowsAsync<InvalidOperationException>(() => server.HandleRequestAsync())).Message, StringComparison.Ordinal);
    }

    private static StepServer Make(Model model, ServerOptions? options = null) =>
        new(server => new StepHandler(server), model.Make(), options);
}
