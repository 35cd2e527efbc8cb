using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Switchboard.Linux;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A kept thread: a loop that serves one call after another.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "The thread disposes its loop when it ends.")]
internal sealed class CallThread
{
    private static readonly TimeSpan _idleTime = TimeSpan.FromSeconds(10);

    private readonly ThreadsModel _model;
    private readonly bool _background;
    private readonly EventLoop _loop;
    private readonly LoopTimer _retirement;
    private readonly CancellationToken _stopping;
    private readonly Thread _thread;
    private Call? _next;
    private long _idleSince;

    private CallThread(ThreadsModel model, string name, bool background, Call first, ModelSettings settings)
    {
        _model = model;
        _background = background;
        _next = first;
        _loop = new EventLoop(new PollSelector(), waitsInline: true);
        _loop.UnhandledException += settings.OnUnhandled;
        _stopping = settings.Stopping;
        _retirement = new LoopTimer(_loop, static self => ((CallThread)self!).RetireIfIdle(), this);
        _thread = new Thread(Run) { Name = name, IsBackground = background };
    }

    internal static void Start(ThreadsModel model, string name, bool background, Call first, ModelSettings settings)
    {
        var thread = new CallThread(model, name, background, first, settings);
        try
        {
            thread._thread.Start();
        }
        catch (Exception exception) when (exception is OutOfMemoryException or ThreadStartException)
        {
            // The runtime says this of every shortage: of descriptors, which it needs to start a thread, of threads, of memory.
            thread._loop.Dispose();
            throw new SystemCallException("pthread_create", Errno.NoMemory, "A thread for a call could not be started: the process is out of descriptors (ulimit -n), threads (ulimit -u) or memory. Raise the limit, or lower that of Concurrency.Threads.");
        }
        catch
        {
            thread._loop.Dispose();
            throw;
        }
    }

    internal void Serve(Call call)
    {
        _next = call;
        _loop.Post(static self => ((CallThread)self!).ServeNext(), this);
    }

    internal void Stop() => _loop.Stop();

    private void Run()
    {
        ServingThread.Stopping = _stopping;
        _loop.Post(static self => ((CallThread)self!).ServeNext(), this);
        _loop.Run();
        _loop.Dispose();
    }

    private async void ServeNext()
    {
        Call call = _next!;
        _next = null;
        if (!_background)
        {
            Thread.CurrentThread.IsBackground = false;
        }
        Call.Current = call;
        await call.RunAsync(_loop);
        Call.Current = null;
        if (!_background)
        {
            // Only a call keeps the program alive, never a thread that waits for one.
            Thread.CurrentThread.IsBackground = true;
        }
        _idleSince = Stopwatch.GetTimestamp();
        if (!_model.Finished(this, call))
        {
            _loop.Stop();
        }
        else if (!_retirement.IsArmed)
        {
            _retirement.Arm(_idleTime);
        }
    }

    private void RetireIfIdle()
    {
        TimeSpan left = _idleTime - Stopwatch.GetElapsedTime(_idleSince);
        if (left > TimeSpan.Zero)
        {
            _retirement.Arm(left);
        }
        else if (_model.Retire(this))
        {
            _loop.Stop();
        }
        else
        {
            _retirement.Arm(_idleTime);
        }
    }
}
