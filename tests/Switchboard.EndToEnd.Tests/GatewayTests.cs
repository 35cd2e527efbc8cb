using System.Net;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>The gateway of the samples, as a program of its own in front of the tool's echo server.</summary>
public sealed class GatewayTests
{
    private const int Limit = 120_000;

    [Theory(Timeout = Limit)]
    [InlineData("eventloop")]
    [InlineData("threads")]
    [InlineData("tasks")]
    [InlineData("sequential")]
    public async Task A_caller_talks_through_the_gateway_and_both_ends_are_passed_on(string model)
    {
        using SwitchboardTool echo = await SwitchboardTool.ServeAsync("echo");
        using ChildProgram gateway = ChildProgram.Start("env", "--default-signal=INT,TERM", ChildProgram.DotNet, "exec",
            Path.Combine(AppContext.BaseDirectory, "Gateway.dll"), "127.0.0.1:0", echo.Address, model);
        string line = await gateway.WaitForLineAsync();
        Assert.EndsWith($" leads to {echo.Address}", line);
        using (Caller caller = await Caller.ConnectAsync(IPEndPoint.Parse(line.Split(' ')[0])))
        {
            await caller.SendAsync("hello\n");
            await caller.ExpectAsync("hello\n");
            await caller.SendAsync("last words\n");
            caller.EndOutput();
            Assert.Equal("last words\n", System.Text.Encoding.UTF8.GetString(await caller.ReceiveToEndAsync()));
        }
        SwitchboardTool.Send("TERM", gateway.Id);
        (int exitCode, _, string error) = await gateway.WaitForEndAsync();
        Assert.Empty(error);
        Assert.Equal(0, exitCode);
    }
}
