using System.Net;
using System.Text;
using Switchboard.Linux;

#pragma warning disable xUnit1051 // The calls have a limit of time.

namespace Switchboard.Polling.Tests;

/// <summary>What a loop awaits that is not its own, and what is ready that is no socket.</summary>
public sealed class LoopAwaitTests
{
    private const int Limit = 120_000;

    [Fact(Timeout = Limit)]
    public async Task A_call_by_the_base_librarys_http_client_comes_back_to_its_loop()
    {
        await using EventLoop loop = EventLoop.Start();
        await loop.InvokeAsync(async () =>
        {
            using Listener listener = Listener.Bind(new IPEndPoint(IPAddress.Loopback, 0), new ListenerOptions());
            listener.Listen(1);
            Task serving = ServeOnceAsync(listener);
            using HttpClient client = new();
            string body = await client.GetStringAsync(new Uri($"http://{listener.LocalEndPoint}/"));
            Assert.Equal("hello", body);
            Assert.True(loop.IsCurrent);
            await Task.Delay(1);
            Assert.True(loop.IsCurrent);
            Assert.Equal("pool", await Task.Run(() => loop.IsCurrent ? "loop" : "pool"));
            Assert.True(loop.IsCurrent);
            await serving;
        }).Within();

        async Task ServeOnceAsync(Listener listener)
        {
            await using LoopSocket caller = await listener.AcceptAsync(loop);
            byte[] buffer = new byte[4096];
            int count = 0;
            while (!Encoding.ASCII.GetString(buffer, 0, count).Contains("\r\n\r\n", StringComparison.Ordinal))
            {
                count += await caller.ReadAsync(buffer.AsMemory(count));
            }
            await caller.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"u8.ToArray());
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_descriptor_of_any_kind_is_watched_by_a_lambda()
    {
        await using EventLoop loop = EventLoop.Start();
        (DescriptorHandle reader, DescriptorHandle writer) = DescriptorCalls.CreatePipe();
        using (reader)
        using (writer)
        {
            var seen = new TaskCompletionSource<Readiness>(TaskCreationOptions.RunContinuationsAsynchronously);
            SelectorKey? key = null;
            key = await loop.InvokeAsync(() => loop.Register(reader.Number, Interest.Read, ready =>
            {
                loop.Unregister(key!);
                seen.SetResult(ready);
            }));
            writer.WriteOrFail("x"u8);
            Assert.Equal(Readiness.Readable, await seen.Task.Within());
            Assert.False(key.IsRegistered);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task What_such_a_lambda_throws_is_told_to_the_event()
    {
        await using EventLoop loop = EventLoop.Start();
        using Pair pair = new();
        var told = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.UnhandledException += exception => told.TrySetResult(exception);
        SelectorKey key = await loop.InvokeAsync(() => loop.Register(pair.First.Number, Interest.Write, _ => throw new FormatException()));
        Assert.IsType<FormatException>(await told.Task.Within());
        await loop.InvokeAsync(() => loop.Unregister(key));
    }

    [Fact(Timeout = Limit)]
    public async Task Another_thread_awaits_a_descriptor_on_the_loop()
    {
        await using EventLoop loop = EventLoop.Start();
        using Pair pair = new();
        Task<Readiness> waiting = loop.InvokeAsync(() => DescriptorReadiness.WaitAsync(pair.First, Interest.Read).AsTask());
        await loop.InvokeAsync(() => 0);
        Assert.False(waiting.IsCompleted);
        pair.Second.WriteOrFail("x"u8);
        Assert.Equal(Readiness.Readable, await waiting.Within());
    }
}
