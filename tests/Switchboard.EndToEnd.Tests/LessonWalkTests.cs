using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

public sealed class LessonWalkTests
{
    [Fact(Timeout = 60_000)]
    public async Task Request_walk_names_each_step_in_the_order_of_the_calls()
    {
        using ChildProgram lesson = ChildProgram.StartAssembly("Lesson", "request-walk");
        (int exitCode, string output, string error) = await lesson.WaitForEndAsync();
        Assert.Equal("", error);
        Assert.Equal(0, exitCode);
        Assert.Equal(
            """
            -- a call
            Bind
            Activate
            ServeForeverAsync
            GetRequest
            Verify
            Process
            FinishAsync
              the handler's constructor
              SetupAsync
              HandleAsync
              FinishAsync
            ShutdownRequestAsync
            CloseRequest
            -- a call whose handler fails
            GetRequest
            Verify
            Process
            FinishAsync
              the handler's constructor
              SetupAsync
              HandleAsync
              FinishAsync
            OnError: The handler fails, as it was told.
            ShutdownRequestAsync
            CloseRequest
            -- a call that is turned away
            GetRequest
            Verify
            ShutdownRequestAsync
            CloseRequest
            -- the end
            StopAsync
            -- a wait for one request, in vain; then actions between requests
            HandleRequestAsync
            OnTimeout
            ServiceActions

            """,
            output);
    }
}
