using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Switchboard.Polling;

// Signals: the runtime takes them, the loop's thread handles them.
public sealed partial class EventLoop
{
    private readonly List<SignalHandler> _signalHandlers = [];

    /// <summary>Calls a handler on the loop's thread when the process gets a signal. While it is registered the signal's
    /// default action is off: SIGINT and SIGTERM do not end the program, so the handler must see to that (by
    /// <see cref="Stop"/>, for one). Any thread may call it. A registration ends with its loop at the latest.</summary>
    /// <param name="signal">SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT, SIGTSTP, SIGTTIN or SIGTTOU, or the number
    /// of another one cast to <see cref="PosixSignal"/>: 10 for SIGUSR1, 12 for SIGUSR2.</param>
    /// <param name="handler">Called for each signal that the runtime delivers. The kernel keeps one of several of the same
    /// number that come at once (<c>signal(7)</c>).</param>
    /// <returns>Dispose it to get the default action back. Once it is disposed on the loop's thread, the handler is not
    /// called any more.</returns>
    /// <exception cref="ArgumentOutOfRangeException">It is a signal of the runtime's, or one that no program can handle.</exception>
    /// <exception cref="OperationCanceledException">The loop has ended.</exception>
    public IDisposable OnSignal(PosixSignal signal, Action handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        if (WhyNot(signal) is { } reason)
        {
            throw new ArgumentOutOfRangeException(nameof(signal), signal, reason);
        }
        var registration = new SignalHandler(this, handler);
        lock (_signalHandlers)
        {
            ThrowIfEnded();
            registration.Register(signal);
            _signalHandlers.Add(registration);
        }
        return registration;
    }

    [SuppressMessage("Interoperability", "CA1416", Justification = "Loops are made on Linux only.")]
    private static string? WhyNot(PosixSignal signal) => (int)signal switch
    {
        (int)PosixSignal.SIGCHLD or 17 => "SIGCHLD is the runtime's: it reaps the children of System.Diagnostics.Process by it. Await a child's own end instead.",
        4 or 5 or 6 or 7 or 8 or 11 => "SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE and SIGSEGV are the runtime's: it makes exceptions or crash reports of them.",
        9 or 19 => "No program can handle SIGKILL and SIGSTOP (signal(7)).",
        _ => null,
    };

    private void EndSignals()
    {
        SignalHandler[] left;
        lock (_signalHandlers)
        {
            left = [.. _signalHandlers];
        }
        Array.ForEach(left, handler => handler.Dispose());
    }

    private sealed class SignalHandler(EventLoop loop, Action handler) : IDisposable
    {
        private PosixSignalRegistration? _registration;
        private volatile bool _disposed;

        internal void Register(PosixSignal signal) => _registration = PosixSignalRegistration.Create(signal, context =>
        {
            if (!_disposed)
            {
                context.Cancel = true;
                loop.Post(static self => ((SignalHandler)self!).Run(), this);
            }
        });

        public void Dispose()
        {
            lock (loop._signalHandlers)
            {
                loop._signalHandlers.Remove(this);
            }
            _disposed = true;
            _registration!.Dispose();
        }

        private void Run()
        {
            if (!_disposed)
            {
                handler();
            }
        }
    }
}
