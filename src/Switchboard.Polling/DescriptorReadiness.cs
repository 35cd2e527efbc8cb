using Switchboard.Linux;

namespace Switchboard.Polling;

/// <summary>Waits for any descriptor in an async method on a loop.</summary>
public static class DescriptorReadiness
{
    /// <summary>Waits until a descriptor is ready. On a loop's thread it suspends, and the loop goes on; elsewhere it blocks
    /// the calling thread, looking for a cancellation every 100 ms.</summary>
    /// <param name="descriptor">Any descriptor that can be watched. It may be registered elsewhere too: a copy of it is
    /// watched.</param>
    /// <param name="interest">For what.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>What it is ready for.</returns>
    /// <exception cref="SystemCallException">It can't be watched.</exception>
    /// <exception cref="ObjectDisposedException">It is closed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static ValueTask<Readiness> WaitAsync(DescriptorHandle descriptor, Interest interest, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        // Its number may mean another descriptor by now.
        ObjectDisposedException.ThrowIf(descriptor.IsClosed, descriptor);
        cancellation.ThrowIfCancellationRequested();
        if (EventLoop.Current is { } loop)
        {
            return new ValueTask<Readiness>(new Wait(loop, DescriptorCalls.Duplicate(descriptor.Number), interest, cancellation).Task);
        }
        using var selector = new PollSelector();
        selector.Register(descriptor.Number, interest);
        var ready = new ReadyEvent[1];
        while (selector.Select(ready, cancellation.CanBeCanceled ? TimeSpan.FromMilliseconds(100) : null) == 0)
        {
            cancellation.ThrowIfCancellationRequested();
        }
        return new ValueTask<Readiness>(ready[0].Ready);
    }

    private sealed class Wait : IReadyHandler, ILoopWaiter
    {
        private readonly EventLoop _loop;
        private readonly DescriptorHandle _copy;
        private readonly SelectorKey _key;
        private readonly CancellationToken _cancellation;
        private readonly CancellationTokenRegistration _registration;
        private readonly TaskCompletionSource<Readiness> _source = new();

        internal Wait(EventLoop loop, DescriptorHandle copy, Interest interest, CancellationToken cancellation)
        {
            _loop = loop;
            _copy = copy;
            try
            {
                loop.ThrowIfEnded();
                _key = loop.Register(copy.Number, interest, this);
            }
            catch
            {
                copy.Dispose();
                throw;
            }
            _cancellation = cancellation;
            _registration = cancellation.UnsafeRegister((self, token) =>
                loop.Post(static state => ((Wait)state!).Cancel(), self), this);
        }

        internal Task<Readiness> Task => _source.Task;

        public void OnReady(Readiness ready)
        {
            Leave();
            _source.TrySetResult(ready);
        }

        private void Cancel()
        {
            if (_key.IsRegistered)
            {
                Leave();
                _source.TrySetCanceled(_cancellation);
            }
        }

        void ILoopWaiter.OnLoopEnded()
        {
            if (_key.IsRegistered)
            {
                Leave();
                _source.TrySetException(EventLoop.Ended());
            }
        }

        private void Leave()
        {
            _registration.Unregister();
            _loop.Unregister(_key);
            _copy.Dispose();
        }
    }
}
