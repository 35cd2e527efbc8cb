using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading.Channels;

namespace Switchboard.Polling.Tests;

/// <summary>Signals that this process sends to itself. Without a handler each of them would end it, or be ignored.</summary>
public sealed class LoopSignalTests
{
    private const int Limit = 120_000;
    private const PosixSignal User1 = (PosixSignal)10;
    private const PosixSignal User2 = (PosixSignal)12;

    [Theory(Timeout = Limit)]
    [InlineData(PosixSignal.SIGTERM, "TERM")]
    [InlineData(PosixSignal.SIGHUP, "HUP")]
    [InlineData((PosixSignal)28, "WINCH")]
    [InlineData(User1, "USR1")]
    [InlineData(User2, "USR2")]
    public async Task A_signals_handler_runs_on_the_loop_and_the_default_action_is_off(PosixSignal signal, string name)
    {
        await using EventLoop loop = EventLoop.Start();
        var seen = Channel.CreateUnbounded<bool>();
        using (loop.OnSignal(signal, () => seen.Writer.TryWrite(loop.IsCurrent)))
        {
            for (int i = 0; i < 3; i++)
            {
                await SendAsync(name);
                Assert.True(await seen.Reader.ReadAsync(TestContext.Current.CancellationToken).Within());
            }
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Each_loop_that_asked_gets_the_signal_until_it_takes_that_back()
    {
        await using EventLoop first = EventLoop.Start();
        await using EventLoop second = EventLoop.Start();
        var seen = Channel.CreateUnbounded<int>();
        IDisposable one = first.OnSignal(User1, () => seen.Writer.TryWrite(1));
        using IDisposable two = second.OnSignal(User1, () => seen.Writer.TryWrite(2));
        await SendAsync("USR1");
        Assert.Equal([1, 2], new[] { await NextAsync(), await NextAsync() }.Order());
        await first.InvokeAsync(one.Dispose);
        one.Dispose();
        await SendAsync("USR1");
        Assert.Equal(2, await NextAsync());
        await first.InvokeAsync(() => 0);
        Assert.False(seen.Reader.TryRead(out _));

        Task<int> NextAsync() => seen.Reader.ReadAsync(TestContext.Current.CancellationToken).Within();
    }

    [Fact(Timeout = Limit)]
    public async Task A_handler_may_stop_its_loop()
    {
        await using EventLoop loop = EventLoop.Start();
        loop.OnSignal(User2, loop.Stop);
        await SendAsync("USR2");
        await loop.Completion.Within();
    }

    [Fact(Timeout = Limit)]
    public async Task What_a_handler_throws_is_told_to_the_event()
    {
        await using EventLoop loop = EventLoop.Start();
        var told = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.UnhandledException += told.SetResult;
        using IDisposable registration = loop.OnSignal(User1, () => throw new FormatException());
        await SendAsync("USR1");
        Assert.IsType<FormatException>(await told.Task.Within());
    }

    [Theory]
    [InlineData((PosixSignal)(-5), "runtime")]
    [InlineData((PosixSignal)17, "runtime")]
    [InlineData((PosixSignal)11, "runtime")]
    [InlineData((PosixSignal)9, "No program")]
    [InlineData((PosixSignal)19, "No program")]
    public void A_signal_that_is_not_ours_is_refused_with_the_reason(PosixSignal signal, string reason)
    {
        using EventLoop loop = new();
        Assert.Contains(reason, Assert.Throws<ArgumentOutOfRangeException>(() => loop.OnSignal(signal, () => { })).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => loop.OnSignal(User1, null!));
    }

    [Fact]
    public void A_number_that_is_no_signal_is_refused_and_leaves_nothing()
    {
        using EventLoop loop = new();
        Assert.ThrowsAny<Exception>(() => loop.OnSignal((PosixSignal)500, () => { }));
    }

    [Fact]
    public void A_loop_that_has_ended_takes_no_signals()
    {
        EventLoop loop = EventLoop.Start();
        loop.Dispose();
        Assert.Throws<OperationCanceledException>(() => loop.OnSignal(User1, () => { }));
    }

    private static async Task SendAsync(string signal)
    {
        using Process shell = Process.Start("/bin/sh", ["-c", $"kill -{signal} {Environment.ProcessId}"]);
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, shell.ExitCode);
    }
}
