using Microsoft.Extensions.Logging;

namespace Switchboard.Servers.Tests;

/// <summary>A request takes its steps in order, and a step that fails harms that request only.</summary>
public sealed class WalkOfARequestTests
{
    private static readonly string[] _whole =
        ["get", "verify", "process", "finish", "made", "handler sets up", "handler handles", "handler finishes", "shutdown", "close"];

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.Threads, false)]
    [InlineData(Model.Threads, true)]
    [InlineData(Model.Sequential, false)]
    [InlineData(Model.Sequential, true)]
    [InlineData(Model.OneLoop, false)]
    [InlineData(Model.ThreeLoops, false)]
    [InlineData(Model.Tasks, false)]
    public async Task The_steps_come_in_order(Model model, bool blocking)
    {
        await using StepServer server = Make(model, blocking);
        await ServeOneAsync(server);
        Assert.Equal(_whole, server.Steps);
        if (model == Model.Tasks)
        {
            return;
        }
        int[] threads = [.. server.Threads.Select(step => step.Thread).Distinct()];
        Assert.Equal(model == Model.Threads ? 2 : 1, threads.Length);
        Assert.Single(server.Threads.SkipWhile(step => step.Step != "finish").Select(step => step.Thread).Distinct());
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("handler sets up", false)]
    [InlineData("handler handles", false)]
    [InlineData("handler finishes", false)]
    [InlineData("handler sets up", true)]
    [InlineData("handler handles", true)]
    [InlineData("handler finishes", true)]
    public async Task A_handler_that_fails_goes_to_the_error_step_and_finishes_if_it_was_set_up(string failing, bool blocking)
    {
        await using StepServer server = Make(Model.Sequential, blocking);
        FailOnce(server, failing);
        await ServeOneAsync(server, served: failing == "handler finishes");
        string[] walk = [.. _whole.TakeWhile(step => step != failing), failing];
        string[] finish = failing == "handler handles" ? ["handler finishes"] : [];
        Assert.Equal([.. walk, .. finish, $"error {failing} failed", "shutdown", "close"], server.Steps);
        await AssertServesOnAsync(server);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("verify")]
    [InlineData("process")]
    [InlineData("finish")]
    [InlineData("made")]
    public async Task A_step_before_the_handler_that_fails_ends_that_request_only(string failing)
    {
        await using StepServer server = Make(Model.Sequential, blocking: false);
        FailOnce(server, failing);
        await ServeOneAsync(server, served: false);
        Assert.Equal([.. _whole.TakeWhile(step => step != failing), failing, $"error {failing} failed", "shutdown", "close"], server.Steps);
        Assert.Equal(1, server.Statistics.EndedBy[ConnectionEndReason.HandlerFailed]);
        await AssertServesOnAsync(server);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_shutdown_that_fails_is_told_and_the_request_closed_nevertheless()
    {
        await using StepServer server = Make(Model.Sequential, blocking: false);
        FailOnce(server, "shutdown");
        await ServeOneAsync(server);
        Assert.Equal([.. _whole[..^1], "error shutdown failed", "close"], server.Steps);
        await AssertServesOnAsync(server);
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.All), MemberType = typeof(Models))]
    public async Task A_close_that_fails_every_time_keeps_neither_the_next_caller_nor_the_stop(Model model)
    {
        var log = new RecordingLog();
        await using StepServer server = Make(model, blocking: false, new ServerOptions { LoggerFactory = log });
        server.At = step => Assert.NotEqual("close", step);
        await server.StartAsync().InTime();
        for (int call = 0; call < 3; call++)
        {
            using Caller caller = await Caller.ConnectAsync(server);
            await caller.ExpectAsync("served");
        }
        await server.StopAsync().InTime();
        Assert.Equal(3, server.Steps.Count(step => step == "handler handles"));
        await log.WaitAsync(record => record is { Level: LogLevel.Error, Exception: not null });
        Assert.DoesNotContain(log.Records, record => record.Text.Contains("still run", StringComparison.Ordinal));
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("verify")]
    [InlineData("handler handles")]
    public async Task An_error_step_that_fails_itself_is_logged_and_harms_nobody(string failing)
    {
        var log = new RecordingLog();
        await using StepServer server = Make(Model.Sequential, blocking: false, new ServerOptions { LoggerFactory = log });
        bool failed = false;
        server.At = step =>
        {
            if ((step == failing && !failed) || step.StartsWith("error", StringComparison.Ordinal))
            {
                failed = true;
                throw new NotSupportedException($"{step} failed");
            }
        };
        await ServeOneAsync(server, served: false);
        await log.WaitAsync(record => record.Exception?.Message == $"error {failing} failed failed");
        await AssertServesOnAsync(server);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task A_request_that_is_not_verified_takes_the_ending_steps_only()
    {
        await using StepServer server = Make(Model.Threads, blocking: false);
        long? first = null;
        server.Check = request => request.Id != (first ??= request.Id);
        await ServeOneAsync(server, served: false);
        Assert.Equal(["get", "verify", "shutdown", "close"], server.Steps);
        await AssertServesOnAsync(server);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Service_actions_run_on_the_thread_of_the_server_while_it_serves()
    {
        var log = new RecordingLog();
        await using StepServer server = Make(Model.Threads, blocking: false, new ServerOptions { PollInterval = TimeSpan.FromMilliseconds(5), LoggerFactory = log });
        FailOnce(server, "service");
        await server.StartAsync().InTime();
        for (int run = 0; run < 3; run++)
        {
            Assert.True(await server.ServiceActionsRun.WaitAsync(Deadline.Time));
        }
        // The first has failed, which is told and stops nothing.
        await log.WaitAsync(record => record.Exception?.Message == "service failed");
        await ServeOneAsync(server);
        await server.StopAsync().InTime();
        Assert.Single(server.Threads.Where(step => step.Step is "service" or "get").Select(step => step.Thread).Distinct());
    }

    private static StepServer Make(Model model, bool blocking, ServerOptions? options = null) => new(
        server => blocking ? new BlockingStepHandler(server) : new StepHandler(server),
        model.Make(),
        options);

    private static void FailOnce(StepServer server, string failing)
    {
        bool failed = false;
        server.At = step =>
        {
            if (step == failing && !failed)
            {
                failed = true;
                throw new NotSupportedException($"{step} failed");
            }
        };
    }

    private static async Task ServeOneAsync(StepServer server, bool served = true)
    {
        await server.StartAsync().InTime();
        using Caller caller = await Caller.ConnectAsync(server);
        if (served)
        {
            Assert.Equal("served", await caller.ReadTextToEndAsync());
        }
        else
        {
            await caller.WaitForEndAsync();
        }
        Assert.True(await server.Closed.WaitAsync(Deadline.Time));
    }

    private static async Task AssertServesOnAsync(StepServer server)
    {
        int before = server.Steps.Length;
        await ServeOneAsync(server);
        Assert.Equal(_whole, server.Steps[before..]);
    }
}
