using System.Net;
using Switchboard.Tests;

namespace Switchboard.EndToEnd.Tests;

/// <summary>A server of tasks needs nothing of the system but what the base library needs.</summary>
public sealed class PortabilityTests
{
    private const int Limit = 120_000;

    private const string Program = """
        using System.Reflection;
        using System.Runtime.InteropServices;
        using Switchboard.Servers;

        // As on a system without glibc: each system call of the library's own fails.
        NativeLibrary.SetDllImportResolver(Assembly.Load("Switchboard.Linux"), (name, _, _) => throw new DllNotFoundException($"There is no {name} here."));
        try
        {
            await using var server = new TcpServer("127.0.0.1:0", async (caller, stop) =>
            {
                await foreach (var line in caller.ReadMessagesAsync(Framing.Line, stop))
                {
                    await caller.WriteAsync(line, stop);
                    caller.TrySend("\n"u8);
                }
            }, Concurrency.MODEL());
            await server.StartAsync();
            Console.WriteLine(server.LocalEndPoint);
            await Console.In.ReadLineAsync();
            await server.StopAsync();
            Console.WriteLine("stopped");
        }
        catch (Exception exception)
        {
            Console.WriteLine($"failed: {exception.GetBaseException().Message}");
        }
        """;

    [Fact(Timeout = Limit)]
    public async Task A_tcp_server_of_tasks_makes_no_system_call_of_the_librarys_own()
    {
        using var compiled = new CompiledProgram(Program.Replace("MODEL", "Tasks", StringComparison.Ordinal));
        using ChildProgram program = compiled.Start();
        EndPoint address = IPEndPoint.Parse(await program.WaitForLineAsync());
        using Caller silent = await Caller.ConnectAsync(address);
        foreach (string word in (string[])["one", "two"])
        {
            using Caller caller = await Caller.ConnectAsync(address);
            await caller.SendAsync($"{word}\n{word[..2]}");
            await caller.ExpectAsync($"{word}\n");
            await caller.SendAsync($"{word[2..]}\n");
            await caller.ExpectAsync($"{word}\n");
            caller.EndOutput();
            Assert.Empty(await caller.ReceiveToEndAsync());
        }
        program.CloseInput();
        Assert.Empty(await silent.ReceiveToEndAsync());
        Assert.Equal("stopped", await program.WaitForLineAsync());
        (int exitCode, _, string error) = await program.WaitForEndAsync();
        Assert.Equal((0, ""), (exitCode, error));
    }

    [Fact(Timeout = Limit)]
    public async Task Other_servers_do()
    {
        using var compiled = new CompiledProgram(Program.Replace("MODEL", "Threads", StringComparison.Ordinal));
        using ChildProgram program = compiled.Start();
        Assert.StartsWith("failed: ", await program.WaitForLineAsync());
    }
}
