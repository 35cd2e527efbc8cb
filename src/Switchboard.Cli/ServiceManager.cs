using Switchboard.Servers;

namespace Switchboard.Cli;

/// <summary>Tells the service manager that has started this program, if one has, how it is.</summary>
internal sealed class ServiceManager : IDisposable
{
    private readonly SystemdNotifier? _notifier;
    private readonly ServerGroup _group;
    private readonly CancellationTokenSource _ended = new();

    private ServiceManager(SystemdNotifier? notifier, ServerGroup group) => (_notifier, _group) = (notifier, group);

    /// <exception cref="FormatException">The manager's words in the environment can't be read.</exception>
    internal static ServiceManager FromEnvironment(ServerGroup group) => new(SystemdNotifier.FromEnvironment(), group);

    /// <summary>Tells that the program is ready, that it lives, and that it stops.</summary>
    /// <param name="serve">What it does meanwhile.</param>
    /// <param name="stop">Says that the stop begins.</param>
    internal async Task WhileAsync(Func<Task> serve, CancellationToken stop)
    {
        if (_notifier is null)
        {
            await serve();
            return;
        }
        _notifier.Ready();
        Task alive = _notifier.KeepAliveAsync(time => IsAliveAsync(time, stop), _ended.Token);
        await using CancellationTokenRegistration stopping = stop.UnsafeRegister(static notifier => ((SystemdNotifier)notifier!).Stopping(), _notifier);
        try
        {
            await serve();
        }
        finally
        {
            await _ended.CancelAsync();
            await alive;
        }
    }

    /// <summary>Tells that the program reads its files anew, and that it has.</summary>
    internal void Reload(Action read)
    {
        _notifier?.Reloading();
        read();
        _notifier?.Ready();
    }

    public void Dispose()
    {
        _notifier?.Dispose();
        _ended.Dispose();
    }

    /// <summary>True if each loop answers in time. A program that stops has its grace for that.</summary>
    private async Task<bool> IsAliveAsync(TimeSpan time, CancellationToken stop)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop, _ended.Token);
        patience.CancelAfter(time);
        try
        {
            await Task.WhenAll(_group.Servers.Select(server => server.MeasureResponseAsync(patience.Token)));
            return true;
        }
        catch (OperationCanceledException)
        {
            return stop.IsCancellationRequested;
        }
    }
}
