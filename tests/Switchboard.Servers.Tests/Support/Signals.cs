using System.Runtime.InteropServices;

namespace Switchboard.Servers.Tests;

/// <summary>Interrupts the system calls of a thread, by a signal whose handler the runtime runs on that thread.</summary>
internal sealed class Signals : IDisposable
{
    private const int WindowChanged = 28;

    private readonly SemaphoreSlim _handled = new(0);
    private readonly PosixSignalRegistration _registration;

    internal Signals() => _registration = PosixSignalRegistration.Create((PosixSignal)WindowChanged, _ => _handled.Release());

    /// <summary>Sends one and waits until it was handled.</summary>
    internal async Task InterruptAsync(int thread)
    {
        Assert.Equal(0, tgkill(Environment.ProcessId, thread, WindowChanged));
        Assert.True(await _handled.WaitAsync(Deadline.Time), "The signal was not handled.");
    }

    public void Dispose()
    {
        _registration.Dispose();
        _handled.Dispose();
    }

#pragma warning disable SYSLIB1054 // Source-generated imports need unsafe code, which the tests do without.
    [DllImport("libc.so.6")]
    private static extern int tgkill(int process, int thread, int signal);
#pragma warning restore SYSLIB1054
}
