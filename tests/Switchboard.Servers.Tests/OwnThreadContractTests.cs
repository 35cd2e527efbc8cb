using System.Threading.Channels;

namespace Switchboard.Servers.Tests;

/// <summary>What a handler may rely on where all pieces of a call run on one thread.</summary>
public abstract class OwnThreadContractTests(Concurrency model, bool overTls = false) : ContractTests(model, overTls)
{
    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task An_await_of_anything_comes_back_to_the_thread_of_the_call()
    {
        var channel = Channel.CreateUnbounded<int>();
        await using var call = Serve<List<int>>(async (connection, stop) =>
        {
            var seen = new List<int> { Environment.CurrentManagedThreadId };
            var buffer = new byte[16];
            async Task LookAfter(Task task)
            {
                await task;
                seen.Add(Environment.CurrentManagedThreadId);
            }
            await LookAfter(connection.ReadAsync(buffer, stop).AsTask());
            await LookAfter(connection.WriteAsync("a"u8.ToArray(), stop).AsTask());
            await LookAfter(connection.ReadMessageAsync(Framing.Line, stop).AsTask());
            await LookAfter(Task.Run(() => { }, stop));
            await LookAfter(OfALibraryAsync());
            await LookAfter(Task.Delay(1, stop));
            await LookAfter(channel.Reader.ReadAsync(stop).AsTask());
            await Task.Yield();
            seen.Add(Environment.CurrentManagedThreadId);
            return seen;
        });
        using Caller caller = await call.CallAsync();
        await caller.SendAsync("x");
        await caller.ExpectAsync("a");
        await caller.SendAsync("line\n");
        await channel.Writer.WriteAsync(1, TestContext.Current.CancellationToken);
        List<int> threads = await call.Result;
        Assert.Equal(9, threads.Count);
        Assert.Single(threads.Distinct());
        Assert.NotEqual(Environment.CurrentManagedThreadId, threads[0]);
    }

    [Fact(Timeout = Deadline.Milliseconds)]
    public async Task An_await_without_the_context_on_our_own_operations_stays_on_the_thread_of_the_call()
    {
        await using var call = Serve<bool>(async (connection, stop) =>
        {
            int thread = Environment.CurrentManagedThreadId;
            var buffer = new byte[16];
            for (int i = 0; i < 3; i++)
            {
                await connection.ReadAsync(buffer, stop).ConfigureAwait(false);
                Assert.Equal(thread, Environment.CurrentManagedThreadId);
                await connection.WriteAsync("!"u8.ToArray(), stop).ConfigureAwait(false);
                Assert.Equal(thread, Environment.CurrentManagedThreadId);
            }
            return true;
        });
        using Caller caller = await call.CallAsync();
        for (int i = 0; i < 3; i++)
        {
            await caller.SendAsync("x");
            await caller.ExpectAsync("!");
        }
        Assert.True(await call.Result);
    }
}
