using System.Net.Sockets;

namespace Switchboard.Servers.Tests;

/// <summary>Beside one who always has something to do, everybody else has a turn too.</summary>
public sealed class FairnessTests
{
    private static readonly byte[] _chunk = Sizes.Pattern(64 * 1024);

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData("packets", Model.OneLoop)]
    [InlineData("lines", Model.OneLoop)]
    [InlineData("echo", Model.OneLoop)]
    [InlineData("packets", Model.Tasks)]
    [InlineData("lines", Model.Tasks)]
    [InlineData("echo", Model.Tasks)]
    public async Task A_caller_with_endless_data_starves_nobody(string kind, Model model)
    {
        await using TcpServer server = await ServeAsync(model);
        await AssertServedWhileAsync(server, async (flood, over) =>
        {
            await flood.SendAsync(kind + "\n");
            byte[] data = kind == "lines" ? [.. Enumerable.Repeat((byte)'\n', _chunk.Length)] : _chunk;
            Task reading = kind == "echo" ? Task.Run(() => ReadAll(flood, over)) : Task.CompletedTask;
            while (!over.IsCancellationRequested)
            {
                flood.Socket.Send(data);
            }
            await reading;
        });
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.OneLoop)]
    [InlineData(Model.Tasks)]
    public async Task An_endless_writer_to_a_fast_reader_starves_nobody(Model model)
    {
        await using TcpServer server = await ServeAsync(model);
        await AssertServedWhileAsync(server, async (reader, over) =>
        {
            await reader.SendAsync("write\n");
            ReadAll(reader, over);
        });
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [InlineData(Model.OneLoop)]
    [InlineData(Model.Tasks)]
    public async Task An_endless_writer_whom_the_kernel_never_stops_gives_the_others_their_turn(Model model)
    {
        // Nobody has to keep up with him: what he writes is never more than there is room for.
        int turns = 0;
        await using var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            if ((await connection.ReadMessageAsync(Framing.Line, stop))!.Value.Span[0] != (byte)'w')
            {
                await connection.WriteAsync("served"u8.ToArray(), stop);
                return;
            }
            while (!stop.IsCancellationRequested)
            {
                await connection.WriteAsync(ReadOnlyMemory<byte>.Empty, CancellationToken.None);
                turns++;
            }
        }, model.Make());
        await server.StartAsync().InTime();
        using Caller writer = await Caller.ConnectAsync(server);
        await writer.SendAsync("write\n");
        await Deadline.UntilAsync(() => Volatile.Read(ref turns) > 0, "it writes");
        for (int i = 0; i < 20; i++)
        {
            using Caller caller = await Caller.ConnectAsync(server);
            await caller.SendAsync("hello\n");
            Assert.Equal("served", await caller.ReadTextToEndAsync());
        }
        await server.StopAsync().InTime();
    }

    [Theory(Timeout = Deadline.Milliseconds)]
    [MemberData(nameof(Models.Together), MemberType = typeof(Models))]
    public async Task An_endless_row_of_new_callers_starves_none_of_those_who_are_in(Model model)
    {
        await using TcpServer server = await ServeAsync(model);
        await AssertServedWhileAsync(server, (_, over) => Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
        {
            while (!over.IsCancellationRequested)
            {
                using Caller caller = await Caller.ConnectAsync(server);
                caller.Reset();
            }
        }))));
        Assert.True(server.Statistics.Accepted > 20, "Too few new callers came to disturb anybody.");
    }

    private static async Task<TcpServer> ServeAsync(Model model)
    {
        var server = new TcpServer("127.0.0.1:0", async (connection, stop) =>
        {
            switch (System.Text.Encoding.UTF8.GetString((await connection.ReadMessageAsync(Framing.Line, stop) ?? default).Span))
            {
                case "talk":
                    await LineEcho.ServeAsync(connection, stop);
                    break;
                case "packets":
                    await foreach (ReadOnlyMemory<byte> _ in connection.ReadMessagesAsync(Framing.Packet, stop))
                    {
                    }
                    break;
                case "lines":
                    await foreach (ReadOnlyMemory<byte> _ in connection.ReadMessagesAsync(Framing.Line, stop))
                    {
                    }
                    break;
                case "echo":
                    await foreach (ReadOnlyMemory<byte> packet in connection.ReadMessagesAsync(Framing.Packet, stop))
                    {
                        await connection.WriteAsync(packet, stop);
                    }
                    break;
                case "write":
                    while (true)
                    {
                        await connection.WriteAsync(_chunk, stop);
                    }
            }
        }, model.Make());
        await server.StartAsync().InTime();
        return server;
    }

    /// <summary>Has others talk while one disturbs; all of them are served to the end.</summary>
    private static async Task AssertServedWhileAsync(TcpServer server, Func<Caller, CancellationToken, Task> disturb)
    {
        Caller[] talking = await LineEcho.ConnectAllAsync(server, 10);
        foreach (Caller caller in talking)
        {
            await caller.SendAsync("talk\n");
            await caller.SayAsync("ready");
        }
        using Caller one = await Caller.ConnectAsync(server);
        using var over = new CancellationTokenSource();
        Task disturbing = Task.Factory.StartNew(() => disturb(one, over.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();
        await Task.WhenAll(talking.Select(async caller =>
        {
            for (int round = 0; round < 50; round++)
            {
                await caller.SayAsync($"{round}");
            }
        }));
        Assert.False(disturbing.IsCompleted, $"Nobody was disturbed: {disturbing.Exception}");
        await over.CancelAsync();
        // It may be stuck in a call of its own.
        Task stopped = server.StopAsync(TimeSpan.Zero);
        await Record.ExceptionAsync(() => disturbing.InTime());
        await stopped.InTime();
        LineEcho.DisposeAll(talking);
    }

    private static void ReadAll(Caller caller, CancellationToken over)
    {
        var buffer = new byte[1024 * 1024];
        try
        {
            while (!over.IsCancellationRequested && caller.Socket.Receive(buffer) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // The server has ended.
        }
    }
}
