using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Switchboard.Polling;

namespace Switchboard.Servers;

/// <summary>A server that runs its calls on loops which others share.</summary>
internal interface ILoopMember
{
    string Name { get; }

    CancellationToken Stopping { get; }

    /// <summary>A loop can't wait any more. On its thread.</summary>
    void OnLoopFailed(Exception exception);

    void OnUnhandled(Exception exception);
}

/// <summary>The event loops of several servers of a group, and their threads: from the first start of a server to the last
/// end of one. Any thread may call it.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "Each loop is disposed by its thread, or by the last server to leave.")]
internal sealed class SharedLoops
{
    private readonly EventLoopGroup _group;
    private readonly Lock _gate = new();
    private readonly List<ILoopMember> _members = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _hasThreads;
    private int _threadsLeft;

    internal SharedLoops(int loops)
    {
        _group = new EventLoopGroup(loops);
        foreach (EventLoop loop in _group.Loops)
        {
            loop.UnhandledException += exception => First?.OnUnhandled(exception);
        }
    }

    internal EventLoopGroup Group => _group;

    /// <summary>Completes when all threads have ended.</summary>
    internal Task Ended => _ended.Task;

    /// <summary>The server that answers for what can't be told to be anybody's.</summary>
    internal ILoopMember? First
    {
        get
        {
            lock (_gate)
            {
                return _members is [var first, ..] ? first : null;
            }
        }
    }

    internal void Join(ILoopMember member)
    {
        lock (_gate)
        {
            _members.Add(member);
        }
    }

    /// <summary>Starts the threads, if no other server has.</summary>
    internal void Start(ILoopMember member)
    {
        lock (_gate)
        {
            if (_hasThreads)
            {
                return;
            }
            _hasThreads = true;
            _threadsLeft = _group.Loops.Count;
            for (int i = 0; i < _group.Loops.Count; i++)
            {
                EventLoop loop = _group.Loops[i];
                new Thread(() => Run(loop)) { Name = $"{member.Name} loop {i + 1}", IsBackground = true }.Start();
            }
        }
    }

    /// <summary>A server has ended; the last one ends the loops.</summary>
    internal void Leave(ILoopMember member)
    {
        lock (_gate)
        {
            if (!_members.Remove(member) || _members.Count > 0)
            {
                return;
            }
            if (!_hasThreads)
            {
                foreach (EventLoop loop in _group.Loops)
                {
                    loop.Dispose();
                }
                _ended.TrySetResult();
                return;
            }
        }
        foreach (EventLoop loop in _group.Loops)
        {
            loop.Stop();
        }
    }

    /// <summary>A server begins to stop. When all do, so do the connections that handlers have opened: whose handler it was,
    /// nobody knows.</summary>
    internal void TellStop()
    {
        lock (_gate)
        {
            if (!_members.TrueForAll(static member => member.Stopping.IsCancellationRequested))
            {
                return;
            }
        }
        _stopping.Cancel();
    }

    private void Run(EventLoop loop)
    {
        ServingThread.Stopping = _stopping.Token;
        // Calls are not the children of what started the server.
        Activity.Current = null;
        try
        {
            loop.Run();
        }
        catch (Exception exception)
        {
            ILoopMember[] members;
            lock (_gate)
            {
                members = [.. _members];
            }
            foreach (ILoopMember member in members)
            {
                member.OnLoopFailed(exception);
            }
        }
        loop.Dispose();
        if (Interlocked.Decrement(ref _threadsLeft) == 0)
        {
            _ended.TrySetResult();
        }
    }
}
