namespace Switchboard.Polling;

// Work for the loop from elsewhere whose result is waited for.
public sealed partial class EventLoop
{
    private LoopTaskScheduler? _scheduler;

    /// <summary>Runs tasks on the loop's thread, one at a time, in the order in which they are started. For
    /// <see cref="TaskFactory"/> and libraries that take a scheduler; awaits need none, they come back by
    /// <see cref="Context"/>. Any thread may use it.</summary>
    public TaskScheduler Scheduler => _scheduler ?? Interlocked.CompareExchange(ref _scheduler, new LoopTaskScheduler(this), null) ?? _scheduler;

    /// <summary>Runs something on the loop's thread, after what was posted before. Any thread may call it; on the loop's
    /// own, await the task, since blocking on it would wait for ever.</summary>
    /// <param name="action">What to run.</param>
    /// <returns>Completes when it has run, with what it threw if it did. The awaiter goes on where it was.</returns>
    public Task InvokeAsync(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        return InvokeAsync(() =>
        {
            action();
            return true;
        });
    }

    /// <inheritdoc cref="InvokeAsync(Action)"/>
    /// <typeparam name="T">The result's type.</typeparam>
    /// <param name="function">What to run.</param>
    /// <returns>Completes with its result, or with what it threw.</returns>
    public Task<T> InvokeAsync<T>(Func<T> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        return InvokeAsync(() => Task.FromResult(function()));
    }

    /// <summary>Starts an async method on the loop's thread, after what was posted before. Any thread may call it; on the
    /// loop's own, await the task, since blocking on it would wait for ever.</summary>
    /// <param name="method">The method; its awaits come back to the loop.</param>
    /// <returns>Completes when the method has, with what it threw if it did. The awaiter goes on where it was.</returns>
    public Task InvokeAsync(Func<Task> method)
    {
        ArgumentNullException.ThrowIfNull(method);
        return InvokeAsync(async () =>
        {
            await method();
            return true;
        });
    }

    /// <inheritdoc cref="InvokeAsync(Func{Task})"/>
    /// <typeparam name="T">The result's type.</typeparam>
    /// <param name="method">The method; its awaits come back to the loop.</param>
    /// <returns>Completes with its result, or with what it threw.</returns>
    public Task<T> InvokeAsync<T>(Func<Task<T>> method)
    {
        ArgumentNullException.ThrowIfNull(method);
        var invocation = new Invocation<T>(method, ExecutionContext.Capture());
        Post(static state => ((IInvocation)state!).Begin(), invocation);
        return invocation.Task;
    }

    private interface IInvocation
    {
        void Begin();
    }

    private sealed class Invocation<T>(Func<Task<T>> method, ExecutionContext? context) : IInvocation
    {
        // The caller's code must not go on inside the loop.
        private readonly TaskCompletionSource<T> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Task<T> Task => _source.Task;

        void IInvocation.Begin()
        {
            if (context is null)
            {
                Start();
            }
            else
            {
                ExecutionContext.Run(context, static self => ((Invocation<T>)self!).Start(), this);
            }
        }

        private void Start()
        {
            Task<T> task;
            try
            {
                task = method();
            }
            catch (OperationCanceledException exception)
            {
                _source.TrySetCanceled(exception.CancellationToken);
                return;
            }
            catch (Exception exception)
            {
                _source.TrySetException(exception);
                return;
            }
            if (task.IsCompleted)
            {
                _source.TrySetFromTask(task);
                return;
            }
            task.ContinueWith(static (task, source) => ((TaskCompletionSource<T>)source!).TrySetFromTask(task), _source,
                CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }
}
