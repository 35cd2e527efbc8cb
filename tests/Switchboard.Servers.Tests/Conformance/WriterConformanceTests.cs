using System.Text;
using Switchboard.Linux;
using Switchboard.Servers.Classic;

namespace Switchboard.Servers.Tests;

/// <summary>What CPython's tests ask of a handler's writer.</summary>
public sealed class WriterConformanceTests
{
    private static readonly byte[] _bigChunk = Sizes.Pattern(Sizes.MoreThanBuffered);

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Writes_go_out_at_once_and_whole_although_signals_interrupt_them()
    {
        var facts = new Facts();
        await AssertWritesAsync(new TcpServer("127.0.0.1:0", (Func<RequestHandler>)(() => new AwaitingWriter(facts))), facts);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task Blocking_writes_go_out_at_once_and_whole_although_signals_interrupt_them()
    {
        var facts = new Facts();
        await AssertWritesAsync(new TcpServer("127.0.0.1:0", (Func<BlockingRequestHandler>)(() => new BlockingWriter(facts))), facts);
    }

    private static async Task AssertWritesAsync(TcpServer server, Facts facts)
    {
        await using var used = server;
        server.Activate();
        using Caller caller = await Caller.ConnectAsync(server, receiveBuffer: 4096);
        Assert.True(await server.HandleRequestAsync().InTime());
        await caller.ExpectAsync("write data\n");
        await caller.SendAsync("client response\n");
        byte[] first = await caller.ReadAsync(100);
        using var signals = new Signals();
        for (int signal = 0; signal < 20; signal++)
        {
            await signals.InterruptAsync(facts.Thread);
        }
        Assert.False(facts.Written.Task.IsCompleted);
        byte[] rest = await caller.ReadToEndAsync();
        await facts.Written.Task.InTime();
        Assert.Equal("client response\n", facts.Received);
        Assert.Equal(_bigChunk.Length, first.Length + rest.Length);
        Assert.True(_bigChunk.AsSpan(0, 100).SequenceEqual(first) && _bigChunk.AsSpan(100).SequenceEqual(rest));
    }

    private sealed class Facts
    {
        internal int Thread { get; set; }

        internal string? Received { get; set; }

        internal TaskCompletionSource Written { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class AwaitingWriter(Facts facts) : StreamRequestHandler
    {
        protected override async Task HandleAsync(CancellationToken stop)
        {
            facts.Thread = ThreadCalls.CurrentThreadId();
            await WriteAsync("write data\n"u8.ToArray(), stop);
            facts.Received = Encoding.UTF8.GetString(await ReadLineAsync(stop));
            await WriteAsync(_bigChunk, stop);
            facts.Written.SetResult();
        }
    }

    private sealed class BlockingWriter(Facts facts) : BlockingRequestHandler
    {
        protected override void Handle(CancellationToken stop)
        {
            facts.Thread = ThreadCalls.CurrentThreadId();
            Connection.Write("write data\n"u8);
            facts.Received = Encoding.UTF8.GetString(Connection.ReadMessage(Framing.Packet)!.Value.Span);
            Connection.Write(_bigChunk);
            facts.Written.SetResult();
        }
    }
}
