using Switchboard.Polling;

namespace Switchboard.MicroBench;

/// <summary>An event loop of many connections on a thread of its own, and work that is done there while the caller waits.</summary>
internal sealed class LoopThread : IDisposable
{
    private readonly Thread _thread;
    private readonly ManualResetEventSlim _done = new();

    internal LoopThread()
    {
        _thread = new Thread(Loop.Run) { IsBackground = true };
        _thread.Start();
    }

    internal EventLoop Loop { get; } = new(new EpollSelector());

    /// <summary>Does some work on the loop's thread, and waits until <see cref="Finish"/>.</summary>
    internal void Run(SendOrPostCallback work)
    {
        _done.Reset();
        Loop.Post(work, null);
        _done.Wait();
    }

    /// <summary>Lets <see cref="Run"/> return.</summary>
    internal void Finish() => _done.Set();

    public void Dispose()
    {
        Loop.Stop();
        _thread.Join();
        Loop.Dispose();
        _done.Dispose();
    }
}
