using System.Runtime.CompilerServices;

namespace Switchboard.Workers.Tests;

// The subscribers and the writer belong to the whole program, so nothing else runs beside these.
[CollectionDefinition(nameof(UnhandledExceptionTests), DisableParallelization = true)]
[Collection(nameof(UnhandledExceptionTests))]
public sealed class UnhandledExceptionTests : IDisposable
{
    private readonly StringWriter _written = new();

    public UnhandledExceptionTests() => ThreadWorker.ErrorWriter = _written;

    public void Dispose()
    {
        ThreadWorker.ErrorWriter = null;
        _written.Dispose();
    }

    [Fact(Timeout = Patience.Test)]
    public async Task An_exception_is_written_and_kept_and_join_does_not_throw()
    {
        ThreadWorker worker = Failing();
        worker.Join();
        Assert.StartsWith(
            $"ThreadWorker(thrower, started {worker.Id}) ended with an exception that its work did not catch:{Environment.NewLine}"
            + $"System.IO.InvalidDataException: the work failed{Environment.NewLine}   at ",
            _written.ToString(), StringComparison.Ordinal);
        Assert.Contains(nameof(UnhandledExceptionTests), _written.ToString(), StringComparison.Ordinal);
        Assert.Equal("the work failed", (await Assert.ThrowsAsync<InvalidDataException>(() => worker.Completion)).Message);
    }

    [Fact]
    public void The_writer_is_standard_error_as_it_is_at_that_moment()
    {
        ThreadWorker.ErrorWriter = null;
        TextWriter standardError = Console.Error;
        Console.SetError(_written);
        try
        {
            Failing().JoinOrFail();
        }
        finally
        {
            Console.SetError(standardError);
        }
        Assert.Contains("the work failed", _written.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_writer_that_is_closed_is_ignored()
    {
        using var closed = new StreamWriter(new MemoryStream());
        closed.Close();
        ThreadWorker.ErrorWriter = closed;
        Failing().JoinOrFail();
    }

    [Fact]
    public void An_exception_without_a_text_is_named_by_its_type()
    {
        ThreadWorker.Start(() => throw new Mute()).JoinOrFail();
        Assert.Contains($"{typeof(Mute)}, whose text could not be had (System.NotSupportedException).", _written.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_subscriber_takes_the_exception_over_and_may_give_it_back()
    {
        var told = new List<(object? Sender, Worker Worker, string Message, bool Alive, ThreadWorker? On)>();
        void Subscriber(object? sender, WorkerExceptionEventArgs what) =>
            told.Add((sender, what.Worker, what.Exception.Message, what.Worker.IsAlive, ThreadWorker.Current));

        ThreadWorker.UnhandledException += Subscriber;
        ThreadWorker worker = Failing();
        worker.JoinOrFail();
        ThreadWorker.UnhandledException -= Subscriber;
        Assert.Equal([(worker, worker, "the work failed", true, worker)], told);
        Assert.Empty(_written.ToString());

        Failing().JoinOrFail();
        Assert.Single(told);
        Assert.Contains("the work failed", _written.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_subscriber_that_fails_is_written_and_harms_nobody()
    {
        int told = 0;
        void Broken(object? sender, WorkerExceptionEventArgs what) => throw new NotSupportedException("the subscriber failed");
        void Whole(object? sender, WorkerExceptionEventArgs what) => told++;

        ThreadWorker.UnhandledException += Broken;
        ThreadWorker.UnhandledException += Whole;
        Failing().JoinOrFail();
        ThreadWorker.UnhandledException -= Broken;
        ThreadWorker.UnhandledException -= Whole;
        Assert.Equal(1, told);
        Assert.StartsWith($"A subscriber of ThreadWorker.UnhandledException failed:{Environment.NewLine}System.NotSupportedException: the subscriber failed",
            _written.ToString(), StringComparison.Ordinal);
        Assert.Contains("the work failed", _written.ToString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = Patience.Test)]
    public async Task An_exception_that_was_told_is_not_told_again_by_the_runtime()
    {
        var unobserved = new List<Exception>();
        void Subscriber(object? sender, UnobservedTaskExceptionEventArgs what)
        {
            // Other tests leave failures that nobody asks for.
            if (what.Exception.ToString().Contains(nameof(UnhandledExceptionTests), StringComparison.Ordinal))
            {
                unobserved.Add(what.Exception);
            }
        }

        TaskScheduler.UnobservedTaskException += Subscriber;
        WeakReference worker = FailAndForget();
        await CollectAsync(() => !worker.IsAlive);
        TaskScheduler.UnobservedTaskException -= Subscriber;
        Assert.Empty(unobserved);
    }

    [Fact]
    public void A_failure_whose_result_somebody_asks_for_is_not_told()
    {
        ThreadWorker<int> worker = ThreadWorker.Start<int>(() => throw new InvalidDataException("the work failed"));
        Assert.Throws<InvalidDataException>(() => worker.Result);
        Assert.Empty(_written.ToString());
    }

    [Fact(Timeout = Patience.Test)]
    public async Task A_failure_whose_result_nobody_asked_for_is_told_when_the_worker_is_collected()
    {
        var told = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        void Subscriber(object? sender, WorkerExceptionEventArgs what) => told.TrySetResult(what.Exception.Message);

        ThreadWorker.UnhandledException += Subscriber;
        FailWithoutAsking();
        Assert.False(told.Task.IsCompleted);
        await CollectAsync(() => told.Task.IsCompleted);
        ThreadWorker.UnhandledException -= Subscriber;
        Assert.Equal("the result failed", await told.Task);
    }

    private static ThreadWorker Failing() => ThreadWorker.Start(() => throw new InvalidDataException("the work failed"), name: "thrower");

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference FailAndForget()
    {
        ThreadWorker worker = Failing();
        worker.JoinOrFail();
        return new WeakReference(worker);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FailWithoutAsking() => ThreadWorker.Start<int>(() => throw new InvalidDataException("the result failed")).JoinOrFail();

    private static async Task CollectAsync(Func<bool> done)
    {
        do
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            GC.Collect();
            GC.WaitForPendingFinalizers();
            await Task.Yield();
        }
        while (!done());
    }

    private sealed class Mute : Exception
    {
        public override string ToString() => throw new NotSupportedException();
    }
}
